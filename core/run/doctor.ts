import { messageOf } from "../error.ts";
import type { Check } from "./requests.ts";

/** Tries one thing and says what it found; throws where it does not work. */
type Trial = () => Promise<string>;

const TRIALS: readonly (readonly [name: string, trial: Trial])[] = [
  ["library", library],
  ["training step", trainingStep],
  ["socket", socket],
  ["data worker", dataWorker],
];

/** Checks that ravn works on this machine: one check after the other, failed ones included. */
export async function* doctor(): AsyncGenerator<Check> {
  for (const [name, trial] of TRIALS) {
    try {
      yield { name, ok: true, detail: await trial() };
    } catch (error) {
      yield { name, ok: false, detail: messageOf(error).split("\n")[0]! };
    }
  }
}

/** ONNX Runtime's library is found, opened, and of a version that ravn knows. */
async function library(): Promise<string> {
  const { Runtime } = await import("../runtime/mod.ts");
  using runtime = Runtime.open();
  return `ONNX Runtime ${runtime.version}, ${runtime.threads} threads`;
}

/** A tiny model trains a step. */
async function trainingStep(): Promise<string> {
  const { trainOneStep } = await import("./doctor_step.ts");
  const { before, after } = await trainOneStep();
  return `loss ${before.toFixed(4)}, then ${after.toFixed(4)}`;
}

/** A socket opens, and a tensor crosses it. */
async function socket(): Promise<string> {
  const { sendToSelf } = await import("./doctor_socket.ts");
  const { via, address } = await sendToSelf();
  return `a tensor crossed by ${via === "unix" ? "Unix socket" : "TCP"} at ${address}`;
}

/** A worker thread starts, and makes a sample. */
async function dataWorker(): Promise<string> {
  const { makeOnThread } = await import("./doctor_worker.ts");
  const { elapsed_ms } = await makeOnThread();
  return `a thread started and made a sample in ${elapsed_ms.toFixed(0)} ms`;
}
