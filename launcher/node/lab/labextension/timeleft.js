/* Warns before the session's time is up.
 *
 * The server says how many seconds are left, so that a wrong clock here does no harm. Only how far this computer's
 * clock moved since the last answer is used; unlike a long timer, that counts the time it slept.
 */
import { notifications, request } from "./jupyterlab.js";

const TICK = 5_000; // ms between two looks at the clock
const ASK_AT_LEAST_EVERY = 300_000; // ms: the clock here may have been set
const ASK_AGAIN_AFTER = 20_000; // ms, when the server did not answer
const MARKS = [
  { seconds: 120, kind: "error" },
  { seconds: 600, kind: "warning" },
];

/** What to say with so many seconds left. */
function message(seconds, ends) {
  const left = seconds >= 60 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds)} s`;
  const time = new Date(ends).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return `${left} left: the session ends at ${time}. Kernels and Dask workers stop then and lose what they hold. Save your work.`;
}

/** Ask the server for the time left: once now, then when it matters. */
export async function watch() {
  const Notification = await notifications();
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
