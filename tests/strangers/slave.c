/* A Modbus TCP slave by libmodbus: code of strangers, for the gateway to poll.
 * gcc -o slave slave.c -lmodbus ; ./slave PORT    (0 = any; the port is printed). Loopback only; ends with its stdin. */
#include <errno.h>
#include <modbus/modbus.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/select.h>
#include <unistd.h>

int main(int argc, char **argv) {
    modbus_t *bus = modbus_new_tcp("127.0.0.1", argc > 1 ? atoi(argv[1]) : 0);
    modbus_mapping_t *map = modbus_mapping_new(16, 16, 128, 128);
    int listener = modbus_tcp_listen(bus, 4);
    struct sockaddr_in at;
    socklen_t size = sizeof at;
    if (!bus || !map || listener < 0 || getsockname(listener, (struct sockaddr *)&at, &size)) {
        fprintf(stderr, "slave: %s\n", modbus_strerror(errno));
        return 1;
    }
    /* 8123.45 kWh as int32 with two decimals, most significant word first; 233.5 V as float32; -12.5 degrees in tenths. */
    map->tab_registers[0] = 812345 >> 16;
    map->tab_registers[1] = 812345 & 0xFFFF;
    /* Not by modbus_set_float_abcd: its byte order differs between releases of libmodbus. */
    map->tab_registers[10] = 0x4369;
    map->tab_registers[11] = 0x8000;
    map->tab_registers[20] = (uint16_t)-125;
    map->tab_input_bits[3] = 1;
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    fd_set all;
    FD_ZERO(&all);
    FD_SET(STDIN_FILENO, &all);
    FD_SET(listener, &all);
    int top = listener;
    for (;;) {
        fd_set ready = all;
        if (select(top + 1, &ready, NULL, NULL, NULL) < 0) return 1;
        if (FD_ISSET(STDIN_FILENO, &ready)) return 0;
        for (int fd = 0; fd <= top; fd++) {
            if (!FD_ISSET(fd, &ready)) continue;
            if (fd == listener) {
                int client = modbus_tcp_accept(bus, &listener);
                if (client < 0) return 1;
                FD_SET(client, &all);
                if (client > top) top = client;
                continue;
            }
            uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
            modbus_set_socket(bus, fd);
            int got = modbus_receive(bus, query);
            if (got > 0) {
                modbus_reply(bus, query, got, map);
            } else if (got < 0) {
                close(fd);
                FD_CLR(fd, &all);
            }
        }
    }
}
