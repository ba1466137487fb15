/* Warns in JupyterLab before the session's time is up, and offers the presets of its Dask workers in the command
 * palette: a prebuilt extension written by hand, without a bundler.
 *
 * JupyterLab loads this script, takes the container `springline` from window._JUPYTERLAB, hands it its shared modules
 * (init) and asks for "./extension" (get), whose default export is a plugin.
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

  let shared = {};

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

  /** Ask the server for the time left: once now, then when it matters. */
  async function watch() {
    const { Notification } = await load("@jupyterlab/apputils");
    const { URLExt } = await load("@jupyterlab/coreutils");
    const { ServerConnection } = await load("@jupyterlab/services");
    const settings = ServerConnection.makeSettings();
    const url = URLExt.join(settings.baseUrl, "springline", "session");
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
      const answer = await ServerConnection.makeRequest(url, {}, settings);
      if (!answer.ok) {
        return ASK_AGAIN_AFTER;
      }
      const { ends, seconds_left: seconds } = await answer.json();
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
    const { URLExt } = await load("@jupyterlab/coreutils");
    const { ServerConnection } = await load("@jupyterlab/services");
    const settings = ServerConnection.makeSettings();
    const url = URLExt.join(settings.baseUrl, "springline", "workers");

    async function scale(preset) {
      const label = "How many in all? Those that are there keep their shape, new ones are as the preset says.";
      const asked = await InputDialog.getNumber({ title: `Dask workers: ${preset}`, label, value: 1 });
      if (!asked.button.accept || asked.value === null) {
        return;
      }
      const body = JSON.stringify({ preset, workers: Math.max(0, Math.round(asked.value)) });
      const answer = await ServerConnection.makeRequest(url, { method: "POST", body }, settings);
      if (!answer.ok) {
        Notification.error((await answer.json()).message, { autoClose: false });
      }
    }

    const answer = await ServerConnection.makeRequest(url, {}, settings);
    const { presets } = await answer.json();
    for (const preset of presets) {
      const command = `springline:workers-${preset}`;
      app.commands.addCommand(command, { label: `Dask Workers: ${preset}`, execute: () => scale(preset) });
      palette.addItem({ command, category: "Dask" });
    }
  }

  const plugin = {
    id: "springline:notice",
    description: "Warns before the session's time is up; offers the presets of its Dask workers.",
    autoStart: true,
    optional: [], // the command palette, once its name is known
    activate: (app, palette) => {
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
      plugin.optional = [ICommandPalette];
      return () => ({ __esModule: true, default: plugin });
    },
  };
})();
      document.head.appendChild(document.createElement("style")).textContent = STYLE;
