/* Warns in JupyterLab before the session's time is up, says what a lost connection means, offers the presets of its Dask
 * workers in the command palette, and puts the session's cluster first in the Dask panel: a prebuilt extension written
 * by hand, without a bundler.
 *
 * JupyterLab loads this script, takes the container `springline` from window._JUPYTERLAB, hands it its shared modules
 * (init) and asks for "./extension" (get), whose default export are the plugins.
 *
 * The server says how many seconds are left, so that a wrong clock here does no harm. Only how far this computer's clock
 * moved since the last answer is used; unlike a long timer, that counts the time it slept.
 */
"use strict";

(() => {
  const TICK = 5_000; // ms between two looks at the clock
  const ASK_AT_LEAST_EVERY = 300_000; // ms: the clock here may have been set
  const ASK_AGAIN_AFTER = 20_000; // ms, when the server did not answer
  const MARKS = [
    { seconds: 120, kind: "error" },
    { seconds: 600, kind: "warning" },
  ];
  // The panel's list of charts is higher than most screens, its green on blue is hard to read, its lines are cut off.
  const STYLE = `
    .dask-DaskSidebar { display: flex; flex-direction: column; }
    .dask-DaskSidebar > * { flex: none; }
    .dask-DaskSidebar > .dask-DaskClusterManager { order: -1; border: none; }
    .dask-ClusterListingItem { box-sizing: border-box; }
    .dask-ClusterListingItem-link { overflow: hidden; text-overflow: ellipsis; }
    .dask-ClusterListingItem.jp-mod-active button.dask-ClusterListingItem-button { color: white; }`;

  const TRY_AGAIN_AFTER = 2_000; // ms, where this computer refuses at once: then `springline up` has ended
  const AWAY =
    "No connection to the session. It goes on over there, kernels too; this page comes back by itself with the network.";
  const BACK = "The connection is back. Kernels and variables are as they were.";
  const LOST = "A kernel printed more than was kept while the connection was away: some of its output is missing.";
  const SAID = 1_000; // messages to a kernel that are kept

  let shared = {};
  let name = ""; // of the session

  /** The module that JupyterLab itself uses; there is one version of each. */
  async function load(name) {
    const [version] = Object.values(shared[name]);
    return (await version.get())();
  }

  /** What to say with so many seconds left; JupyterLab cuts off what is longer than 140 letters. */
  function message(seconds, ends) {
    const left = seconds >= 60 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds)} s`;
    const time = new Date(ends).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    return `${left} left: the session ends at ${time}. Kernels and Dask workers stop then and lose what they hold. Save your work.`;
  }

  /** Ask a page of the session's own; fails where nobody answers. */
  async function request(page, options = {}) {
    const { URLExt } = await load("@jupyterlab/coreutils");
    const { ServerConnection } = await load("@jupyterlab/services");
    const settings = ServerConnection.makeSettings();
    return ServerConnection.makeRequest(URLExt.join(settings.baseUrl, "springline", page), options, settings);
  }

  /** Ask the server for the time left: once now, then when it matters. */
  async function watch() {
    const { Notification } = await load("@jupyterlab/apputils");
    let shown = null; // the mark of the notification on the page
    let id = "";
    let asked = 0;
    let wait = 0;

    function show(mark, seconds, ends) {
      if (shown !== null) {
        Notification.dismiss(id);
      }
      id = Notification[mark.kind](message(seconds, ends), { autoClose: false });
      shown = mark;
    }

    async function ask() {
      const answer = await request("session");
      if (!answer.ok) {
        return ASK_AGAIN_AFTER;
      }
      const { session, ends, seconds_left: seconds } = await answer.json();
      name = session;
      if (seconds === null || seconds <= 0) {
        return ASK_AT_LEAST_EVERY;
      }
      const mark = MARKS.find((each) => seconds <= each.seconds);
      if (mark && mark !== shown) {
        show(mark, seconds, ends);
      }
      const next = MARKS.map((each) => (seconds - each.seconds) * 1000).filter((until) => until > 0);
      return Math.min(ASK_AT_LEAST_EVERY, ...next);
    }

    async function tick() {
      const now = Date.now();
      if (now >= asked && now < asked + wait) {
        return;
      }
      asked = now;
      wait = ASK_AGAIN_AFTER; // also while the answer is on its way
      wait = await ask().catch(() => ASK_AGAIN_AFTER);
    }

    setInterval(tick, TICK);
    await tick();
  }

  /** Add a command for each preset, which asks how many workers there shall be and asks the session for them. */
  async function offer(app, palette) {
    const { InputDialog, Notification } = await load("@jupyterlab/apputils");

    async function scale(preset) {
      const label = "How many in all? Those that are there keep their shape, new ones are as the preset says.";
      const asked = await InputDialog.getNumber({ title: `Dask workers: ${preset}`, label, value: 1 });
      if (!asked.button.accept || asked.value === null) {
        return;
      }
      const body = JSON.stringify({ preset, workers: Math.max(0, Math.round(asked.value)) });
      const answer = await request("workers", { method: "POST", body });
      if (!answer.ok) {
        Notification.error((await answer.json()).message, { autoClose: false });
      }
    }

    const answer = await request("workers");
    const { presets } = await answer.json();
    for (const preset of presets) {
      const command = `springline:workers-${preset}`;
      app.commands.addCommand(command, { label: `Dask Workers: ${preset}`, execute: () => scale(preset) });
      palette.addItem({ command, category: "Dask" });
    }
  }

  /** Whether the session can be reached. While the network is away the tunnel holds the question, and does not refuse. */
  async function reached() {
    const asked = Date.now();
    try {
      return { answered: (await request("session")).ok, refused: false };
    } catch {
      return { answered: false, refused: Date.now() - asked < 1_000 };
    }
  }

  /** Whether the user has shut the session down: JupyterLab says so in the one dialog that has no button. */
  function isShutDown() {
    return document.querySelector(".jp-Dialog:not(:has(button))") !== null;
  }

  /** Say that the session is out of reach, and when it is back; JupyterLab's own dialog stays until it is closed. */
  async function away() {
    const { Notification } = await load("@jupyterlab/apputils");
    const id = Notification.warning(AWAY, { autoClose: false });
    let refusals = 0;
    for (let now = await reached(); !now.answered; now = await reached()) {
      if (isShutDown()) {
        Notification.dismiss(); // the time left, too
        return;
      }
      refusals = now.refused ? refusals + 1 : 0;
      if (refusals === 2) {
        const message = `springline has ended on this computer. \`springline attach ${name}\` brings this page back, if the session goes on.`;
        Notification.update({ id, message, autoClose: false });
      }
      await new Promise((resolve) => setTimeout(resolve, TRY_AGAIN_AFTER));
    }
    Notification.dismiss(id);
    Notification.success(BACK, { autoClose: 20_000 });
  }

  /** What JupyterLab calls each time a request of its own finds nobody. */
  function whenLost() {
    load("react-toastify").catch(() => null); // what draws notifications: once the network is away it is too late
    let waiting = false;
    return async () => {
      if (!waiting) {
        waiting = true;
        await away().finally(() => (waiting = false));
      }
    };
  }

  /** Connections to kernels that are lost and taken up again: both ends count, and repeat what did not arrive. */
  function resumable(Plain) {
    const lines = new Map(); // by the address: what was heard and said

    class Resumable extends Plain {
      constructor(url, protocols) {
        const line = lines.get(url) || { name: "", received: 0, before: 0, said: [] };
        super(`${url}&resume=${line.name}.${line.received}`, protocols);
        lines.set(url, line);
        line.socket = this;
        this.line = line;
        this.begun = line.before + line.said.length;
        this.agreed = false; // on what the other end has heard: its first message
        this.addEventListener("message", (event) => this.hear(event));
      }

      hear(event) {
        if (this.line.socket !== this) {
          return; // JupyterLab listens to the next one, too
        }
        if (this.agreed || typeof event.data !== "string") {
          this.line.received += 1;
          this.agreed = true;
          return;
        }
        event.stopImmediatePropagation();
        this.agree(JSON.parse(event.data));
      }

      agree({ line: name, heard, complete }) {
        const { line } = this;
        if (!complete) {
          load("@jupyterlab/apputils").then(({ Notification }) => Notification.warning(LOST, { autoClose: false }));
        }
        if (name !== line.name) {
          const said = line.said.slice(this.begun - line.before); // the rest was for one that is forgotten
          Object.assign(line, { name, received: 0, before: 0, said });
        }
        this.agreed = true;
        line.said.slice(Math.max(0, heard - line.before)).forEach((message) => super.send(message));
      }

      send(message) {
        const { line } = this;
        line.said.push(message);
        if (line.said.length > SAID) {
          line.said.shift();
          line.before += 1;
        }
        if (this.agreed) {
          super.send(message);
        }
      }
    }

    return function (url, protocols) {
      return url.includes("/api/kernels/") ? new Resumable(url, protocols) : new Plain(url, protocols);
    };
  }

  const connection = {
    id: "springline:connection",
    description: "Says what a lost connection means, and when it is back.",
    autoStart: true,
    provides: null, // JupyterLab's service for that, once its name is known
    activate: ({ serviceManager: { serverSettings } }) => {
      serverSettings.WebSocket = resumable(serverSettings.WebSocket);
      return whenLost();
    },
  };

  const plugin = {
    id: "springline:notice",
    description: "Warns before the session's time is up; offers the presets of its Dask workers; lists its cluster first.",
    autoStart: true,
    optional: [], // the command palette, once its name is known
    activate: (app, palette) => {
      document.head.appendChild(document.createElement("style")).textContent = STYLE;
      app.restored.then(watch).catch((error) => console.warn("springline: no warning before the end", error));
      app.restored
        .then(() => (palette ? offer(app, palette) : null))
        .catch((error) => console.warn("springline: no presets in the command palette", error));
    },
  };

  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB.springline = {
    init: (scope) => {
      shared = scope;
    },
    get: async () => {
      const { ICommandPalette } = await load("@jupyterlab/apputils");
      const { IConnectionLost } = await load("@jupyterlab/application");
      plugin.optional = [ICommandPalette];
      connection.provides = IConnectionLost;
      return () => ({ __esModule: true, default: [plugin, connection] });
    },
  };
})();
