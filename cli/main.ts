import { endWithParent, enterCallersFolder, processShell } from "./process.ts";
import { runCommandLine } from "./shell.ts";
import type { VerbEntry } from "./verb.ts";

/** The verbs of ravn, in the order they are used. */
export const verbs: readonly VerbEntry[] = [
  {
    name: "init",
    summary: "write a folder with an example to train",
    load: () => import("./init.ts").then((file) => file.init),
  },
  {
    name: "clusterize",
    summary: "form clusters of nodes and cut the model into their stages",
    load: () => import("./clusterize.ts").then((file) => file.clusterize),
  },
  {
    name: "probe",
    summary: "measure this node and its links into the node file",
    load: () => import("./probe.ts").then((file) => file.probe),
  },
  {
    name: "plan",
    summary: "show what clusterize would plan, how fast it is, and what would help",
    load: () => import("./plan.ts").then((file) => file.plan),
  },
  {
    name: "provide",
    summary: "train one stage, as one node of the plan",
    load: () => import("./provide.ts").then((file) => file.provide),
  },
  {
    name: "train",
    summary: "train the whole plan, or the unsplit model, on this machine",
    load: () => import("./train.ts").then((file) => file.train),
  },
  {
    name: "fuse",
    summary: "join the trained stages of a cluster into one model",
    load: () => import("./fuse.ts").then((file) => file.fuse),
  },
  {
    name: "trace",
    summary: "show who did what when in a run with --trace",
    load: () => import("./trace.ts").then((file) => file.trace),
  },
  {
    name: "simulate",
    summary: "run a plan, or a made-up one, on virtual time",
    load: () => import("./simulate.ts").then((file) => file.simulate),
  },
  {
    name: "eval",
    summary: "measure a model on labelled data",
    load: () => import("./eval.ts").then((file) => file.evaluate),
  },
  {
    name: "predict",
    summary: "run a model over data and keep its output",
    load: () => import("./predict.ts").then((file) => file.predict),
  },
  {
    name: "inspect",
    summary: "list a model's operators, parameters, shapes and gradients",
    load: () => import("./inspect.ts").then((file) => file.inspect),
  },
  {
    name: "verify",
    summary: "compare a model's gradients with finite differences",
    load: () => import("./verify.ts").then((file) => file.verify),
  },
  {
    name: "data",
    summary: "describe, convert, show or make up data",
    load: () => import("./data.ts").then((file) => file.data),
  },
  {
    name: "doctor",
    summary: "check that ravn works on this machine",
    load: () => import("./doctor.ts").then((file) => file.doctor),
  },
  {
    name: "completions",
    summary: "print a script that completes ravn's command line in a shell",
    load: () => import("./completions.ts").then((file) => file.completions),
  },
];

if (import.meta.main) {
  enterCallersFolder();
  endWithParent();
  Deno.exit(await runCommandLine(Deno.args, verbs, processShell()));
}
