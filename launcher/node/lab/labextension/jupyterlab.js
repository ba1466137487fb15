/* What JupyterLab shares with the other parts, and the way to the session's own pages. */

let scope = {};

/** Remember JupyterLab's shared modules. */
export function begin(shared) {
  scope = shared;
}

/** The module that JupyterLab itself uses; there is one version of each. */
export async function load(name) {
  const [version] = Object.values(scope[name]);
  return (await version.get())();
}

/** What notifications are made with; JupyterLab cuts off what is longer than 140 letters. */
export async function notifications() {
  return (await load("@jupyterlab/apputils")).Notification;
}

/** Ask a page of the session's own; fails where nobody answers. */
export async function request(page, options = {}) {
  const { URLExt } = await load("@jupyterlab/coreutils");
  const { ServerConnection } = await load("@jupyterlab/services");
  const settings = ServerConnection.makeSettings();
  return ServerConnection.makeRequest(URLExt.join(settings.baseUrl, "springline", page), options, settings);
}
