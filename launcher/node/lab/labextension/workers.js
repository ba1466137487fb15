/* Offers the presets of the session's Dask workers in the palette, and puts its cluster first in the Dask panel. */
import { load, notifications, request } from "./jupyterlab.js";

// The panel's list of charts is higher than most screens, its green on blue is hard to read, its lines are cut off.
const STYLE = `
  .dask-DaskSidebar { display: flex; flex-direction: column; }
  .dask-DaskSidebar > * { flex: none; }
  .dask-DaskSidebar > .dask-DaskClusterManager { order: -1; border: none; }
  .dask-ClusterListingItem { box-sizing: border-box; }
  .dask-ClusterListingItem-link { overflow: hidden; text-overflow: ellipsis; }
  .dask-ClusterListingItem.jp-mod-active button.dask-ClusterListingItem-button { color: white; }`;

/** Put the session's cluster first in the Dask panel. */
export function clusterFirst() {
  document.head.appendChild(document.createElement("style")).textContent = STYLE;
}

/** Add a command for each preset, which asks how many workers there shall be and asks the session for them. */
export async function offer(app, palette) {
  const { InputDialog } = await load("@jupyterlab/apputils");
  const Notification = await notifications();

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
