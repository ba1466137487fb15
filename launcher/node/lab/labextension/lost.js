/* Says that the session is out of reach, what that means, and when it is back. */
import { load, notifications, request } from "./jupyterlab.js";
import { settled } from "./resuming.js";

const TRY_AGAIN_AFTER = 2_000; // ms, where this computer refuses at once: then `springline up` has ended
const AWAY =
  "No connection to the session. It goes on over there, kernels too; this page comes back by itself with the network.";
const BACK = "The connection is back.";
const AS_THEY_WERE = "Kernels and variables are as they were.";

let name = ""; // of the session, for who has to type it

/** What to do where `springline up` has ended. */
function ended() {
  return `springline has ended here. If \`springline status ${name}\` says it runs, \`springline attach ${name}\` brings it back.`;
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

/** Say that the session is out of reach until it is back. */
async function away() {
  const Notification = await notifications();
  const since = Date.now();
  const id = Notification.warning(AWAY, { autoClose: false });
  let refusals = 0;
  for (let now = await reached(); !now.answered; now = await reached()) {
    if (isShutDown()) {
      Notification.dismiss(); // the time left, too
      return;
    }
    refusals = now.refused ? refusals + 1 : 0;
    if (refusals === 2) {
      Notification.update({ id, message: ended(), autoClose: false });
    }
    await new Promise((resolve) => setTimeout(resolve, TRY_AGAIN_AFTER));
  }
  Notification.dismiss(id);
  const back = Notification.success(BACK, { autoClose: false });
  settled(since).then((asTheyWere) => {
    const message = asTheyWere ? `${BACK} ${AS_THEY_WERE}` : BACK;
    Notification.update({ id: back, message, autoClose: 20_000 });
  });
}

/** What JupyterLab calls each time a request of its own finds nobody. */
export function whenLost() {
  load("react-toastify").catch(() => null); // what draws notifications: once the network is away it is too late
  request("session")
    .then((answer) => answer.json())
    .then(({ session }) => (name = session))
    .catch(() => null);
  let waiting = false;
  return async () => {
    if (!waiting) {
      waiting = true;
      await away().finally(() => (waiting = false));
    }
  };
}
