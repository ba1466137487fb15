/* Connections to kernels that are lost and taken up again: both ends count, and repeat what did not arrive.
 *
 * The other end is resuming.py, which says what travels: its own words are text behind a mark; "?" asks for them; an
 * empty message stands for one that is no longer meant, so that both ends go on counting alike.
 */
import { notifications } from "./jupyterlab.js";

const MARK = "springline:";
const SAID = 16 * 2 ** 20; // bytes to a kernel that are kept until they are known to be heard
const FORGET_AFTER = 120_000; // ms: JupyterLab closes before it connects again, at most a minute later
const SETTLED_WITHIN = 60_000; // ms
const LOST =
  "While the connection was away, output of a kernel or cells sent to it were lost. Run again what shows [*] or lacks output.";

const lines = new Map(); // by the address: what was heard and said
let warning = "";

/** Say that something is lost; once is enough for all kernels of a page. */
async function warn(line) {
  line.lost = Date.now();
  const Notification = await notifications();
  if (!Notification.manager.has(warning)) {
    warning = Notification.warning(LOST, { autoClose: false });
  }
}

/** Whether all kernels have answered since the connection is back, and none has lost anything since it was away. */
export async function settled(since) {
  const back = Date.now();
  const all = () => [...lines.values()].filter((line) => line.name && !line.closed);
  all().forEach((line) => line.socket.ask());
  while (all().some((line) => line.told < back)) {
    if (Date.now() > back + SETTLED_WITHIN) {
      return false;
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  return all().length > 0 && all().every((line) => line.lost < since);
}

/** Do not send what a kernel did not hear before it was restarted or interrupted. */
function revoke(kernel) {
  lines.forEach((line, url) => url.includes(`/${kernel}/`) && line.said.fill(""));
}

function bytes(said) {
  return said.reduce((sum, message) => sum + (message.byteLength ?? message.length), 0);
}

function resumable(Plain) {
  return class Resumable extends Plain {
    constructor(url, protocols) {
      const line = lines.get(url) || { name: "", received: 0, before: 0, said: [], told: 0, lost: 0 };
      const begun = line.before + line.said.length;
      super(`${url}&resume=${line.name}.${line.received}.${begun}`, protocols);
      lines.set(url, line);
      Object.assign(this, { url_: url, line, begun, agreed: false }); // agreed on what the other end has heard
      Object.assign(line, { socket: this, closed: false });
      this.addEventListener("message", (event) => this.hear(event));
    }

    hear(event) {
      const current = this.line.socket === this;
      const told = typeof event.data === "string" && event.data.startsWith(MARK);
      if (current && told) {
        this.listen(JSON.parse(event.data.slice(MARK.length)));
      } else if (current && this.agreed) {
        this.line.received += 1;
        return;
      }
      event.stopImmediatePropagation(); // not for JupyterLab
    }

    listen({ line: name, heard, complete }) {
      const { line } = this;
      line.told = Date.now();
      if (name !== undefined && name !== line.name) {
        // What was for a line that is forgotten is dropped; before the first word nothing was sent at all.
        const said = line.name ? line.said.slice(this.begun - line.before) : line.said;
        Object.assign(line, { name, received: 0, before: 0, said });
      }
      line.said.splice(0, heard - line.before);
      line.before = heard;
      if (!this.agreed) {
        this.agreed = true;
        line.said.forEach((message) => super.send(message));
        if (!complete || line.said.includes("")) {
          warn(line);
        }
      }
    }

    send(message) {
      const { said } = this.line;
      said.push(message);
      while (bytes(said) > SAID) {
        said[said.findIndex((each) => each !== "")] = "";
      }
      if (this.agreed) {
        super.send(message);
      }
    }

    ask() {
      if (this.agreed && this.readyState === WebSocket.OPEN) {
        super.send("?");
      }
    }

    close() {
      const { line, url_: url } = this;
      line.closed = this.readyState <= WebSocket.OPEN; // not lost before: by JupyterLab, for good or for a moment
      super.close(1000);
      setTimeout(() => line.socket === this && lines.delete(url), FORGET_AFTER);
    }
  };
}

/** From now on, let connections to kernels be resumable, and know of restarts and interrupts. */
export function begin(settings) {
  const { WebSocket: Plain, fetch } = settings;
  const Resumable = resumable(Plain);
  settings.WebSocket = function (url, protocols) {
    return url.includes("/api/kernels/") ? new Resumable(url, protocols) : new Plain(url, protocols);
  };
  settings.fetch = (request, ...options) => {
    const asked = /\/api\/kernels\/([^/?]+)\/(restart|interrupt)/.exec(request.url ?? request);
    if (asked) {
      revoke(asked[1]);
    }
    return fetch(request, ...options);
  };
}
