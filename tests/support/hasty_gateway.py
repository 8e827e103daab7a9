"""The gateway's command with shorter minutes on trial: `python hasty_gateway.py SECONDS run site.yaml`."""

import sys

from gateway.cli.main import main
from gateway.reconfig import remote

if __name__ == "__main__":
    remote.MINUTE_S = float(sys.argv.pop(1))
    main()
