import { createRoot } from "react-dom/client";
import { App } from "./shell/app";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/tables.css";
import "./styles/dialogs.css";
import "./styles/filters.css";
import "./styles/shell.css";
import "./styles/signin.css";
import "./styles/alarms.css";
import "./styles/history.css";
import "./styles/devices.css";
import "./styles/records.css";
import "./styles/reads.css";
import "./styles/commission.css";
import "./styles/certify.css";

const root = document.getElementById("root");
if (root) createRoot(root).render(<App />);
