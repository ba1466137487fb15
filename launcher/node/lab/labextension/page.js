/* The session's part of JupyterLab's page: a prebuilt extension written by hand, without a bundler.
 *
 * JupyterLab loads this script, takes the container `springline` from window._JUPYTERLAB, hands it its shared modules
 * (init) and asks for "./extension" (get), whose default export are the plugins. What they do is in the files beside.
 */
"use strict";

(() => {
  let scope = {};

  async function plugins() {
    const names = ["jupyterlab", "lost", "resuming", "timeleft", "workers"];
    const parts = await Promise.all(names.map((name) => import(`./${name}.js`))); // relative to this script
    const [jupyterlab, lost, resuming, timeleft, workers] = parts;
    jupyterlab.begin(scope);
    const { PageConfig } = await jupyterlab.load("@jupyterlab/coreutils");
    const { ICommandPalette } = await jupyterlab.load("@jupyterlab/apputils");
    const { IConnectionLost } = await jupyterlab.load("@jupyterlab/application");
    const without = (what) => (error) => console.warn(`springline: no ${what}`, error);
    const connection = {
      id: "springline:connection",
      description: "Says what a lost connection means, and when it is back; nothing said to kernels is lost by it.",
      autoStart: true,
      provides: IConnectionLost,
      activate: ({ serviceManager: { serverSettings } }) => {
        if (PageConfig.getOption("springlineResumes") === "true") {
          resuming.begin(serverSettings);
        }
        return lost.whenLost();
      },
    };
    const session = {
      id: "springline:session",
      description: "Warns before the session's time is up; offers presets of Dask workers; lists their cluster first.",
      autoStart: true,
      optional: [ICommandPalette],
      activate: (app, palette) => {
        workers.clusterFirst();
        app.restored.then(timeleft.watch).catch(without("warning before the end"));
        app.restored.then(() => palette && workers.offer(app, palette)).catch(without("presets in the palette"));
      },
    };
    return [session, connection];
  }

  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB.springline = {
    init: (shared) => {
      scope = shared;
    },
    get: async () => {
      const found = await plugins();
      return () => ({ __esModule: true, default: found });
    },
  };
})();
