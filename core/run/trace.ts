import { basename, join } from "node:path";
import { writeWhole } from "../data/mod.ts";
import { EXIT, messageOf, RavnError } from "../error.ts";
import { NodeData } from "./node_data.ts";
import { chromeEvents } from "./trace_chrome.ts";
import type { ChromeEvent } from "./trace_chrome.ts";
import { alignClocks, crossingsOf } from "./trace_clocks.ts";
import type { NodeTrace } from "./trace_events.ts";
import { readTrace } from "./trace_reader.ts";
import type { TraceReport, TraceRequest } from "./trace_requests.ts";
import { summarize, summarizeLinks } from "./trace_summary.ts";

/** Text is handed on in pieces of so many characters. */
const PIECE_CHARACTERS = 64 * 1024;

/**
 * Joins the trace files of a run, as `request.folder` and the stages' folders below it have them,
 * into one file, and sums up what each stage did.
 *
 * @throws {RavnError} where there are none, one is damaged, or they are of different runs
 */
export async function trace({ folder, out }: TraceRequest): Promise<TraceReport> {
  const files = await traceFiles(folder);
  if (files.length === 0) {
    throw new RavnError(
      `${folder} has no trace_*.jsonl, nor has a stage's folder below it; make them by ` +
        `ravn train --trace, or ravn provide --trace on each node`,
    );
  }
  const traces: NodeTrace[] = [];
  for (const file of files) traces.push(await readTraceFile(file));
  traces.sort((a, b) => a.head.cluster - b.head.cluster || a.head.stage - b.head.stage);
  checkOneRun(traces);
  const crossings = crossingsOf(traces);
  const shifts = alignClocks(traces, crossings);
  await writeWhole(out, jsonOf(chromeEvents(traces, shifts, crossings)));
  const stages = summarize(traces, shifts);
  return { file: out, traces: files, stages, links: summarizeLinks(crossings, shifts) };
}

async function readTraceFile(file: string): Promise<NodeTrace> {
  try {
    return await readTrace((await Deno.open(file)).readable, file);
  } catch (thrown) {
    if (thrown instanceof RavnError) throw thrown;
    throw new RavnError(`${file} cannot be read: ${messageOf(thrown)}`);
  }
}

/** All trace files in `folder` and in the folders of its plan's stages, sorted. */
async function traceFiles(folder: string): Promise<string[]> {
  const { root } = new NodeData(folder);
  const files = await namesIn(folder, "file", /^trace_.+\.jsonl$/);
  for (const cluster of await namesIn(root, "folder", /^cluster_\d+$/)) {
    for (const stage of await namesIn(cluster, "folder", /./)) {
      files.push(...await namesIn(stage, "file", /^trace_.+\.jsonl$/));
    }
  }
  return files.sort();
}

async function namesIn(folder: string, what: "file" | "folder", named: RegExp): Promise<string[]> {
  const found: string[] = [];
  try {
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      if (isDirectory === (what === "folder") && named.test(name)) found.push(join(folder, name));
    }
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound || thrown instanceof Deno.errors.NotADirectory) {
      return [];
    }
    throw new RavnError(`${folder} cannot be read: ${messageOf(thrown)}`);
  }
  return found;
}

/** Refuses files of different runs, of which some were left by an earlier one. */
function checkOneRun(traces: readonly NodeTrace[]): void {
  const runs = new Map<number, NodeTrace>();
  const nodes = new Map<string, NodeTrace>();
  for (const trace of traces) {
    const { node, cluster, origin_ms } = trace.head;
    const other = runs.get(cluster) ?? trace;
    const twice = nodes.get(node);
    const mate = twice ?? other;
    const differs = other.run !== undefined && trace.run !== undefined && other.run !== trace.run;
    if (twice !== undefined || differs) {
      const older = origin_ms < mate.head.origin_ms ? trace : mate;
      throw new RavnError(
        `${mate.file} and ${trace.file} are of different runs; delete the older one, ` +
          `${basename(older.file)}, or run all nodes with --trace again`,
        { exitCode: EXIT.usage },
      );
    }
    nodes.set(node, trace);
    if (trace.run !== undefined) runs.set(cluster, trace);
  }
}

/** The events as a JSON array, a line each, in pieces. */
export function* jsonOf(events: Iterable<ChromeEvent>): Generator<Uint8Array> {
  const encoder = new TextEncoder();
  let text = "[\n";
  let isFirst = true;
  for (const event of events) {
    text += `${isFirst ? "" : ",\n"}${JSON.stringify(event)}`;
    isFirst = false;
    if (text.length < PIECE_CHARACTERS) continue;
    yield encoder.encode(text);
    text = "";
  }
  yield encoder.encode(`${text}\n]\n`);
}
