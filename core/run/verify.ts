import { gradientGraph } from "../autodiff/mod.ts";
import type { Judgement } from "../autodiff/mod.ts";
import { RavnError } from "../error.ts";
import { Random } from "../random.ts";
import { Runtime } from "../runtime/mod.ts";
import { GradientProbe } from "./gradient_probe.ts";
import type { MakeGradient } from "./gradient_probe.ts";
import type { Coverage, VerifyReport, VerifyRequest, VerifyRow } from "./requests.ts";
import { operatorRows, shown } from "./verify_operators.ts";
import { subjectOf } from "./verify_subject.ts";

/** Part of the time that the first direction has at least, however long the model took to read. */
const FIRST_SHARE = 0.5;

/** Part of the time after which the whole model is looked at along no further direction. */
const MODEL_SHARE = 0.6;

/** Part of the time then left that the operators may take; the parameters have the rest. */
const OPERATORS_SHARE = 0.6;

/**
 * Compares the gradients of a model with finite differences: of the whole model along directions of
 * all parameters, of each distinct operator alone with the activations it has there, and by each
 * parameter. Ends when the time is up, but for the steps that make sure of a difference.
 *
 * @param makeGradient writes the backward pass; given by tests
 * @throws {RavnError} where the model cannot be run or differentiated, naming node and operator
 */
export async function verify(
  request: VerifyRequest,
  makeGradient: MakeGradient = gradientGraph,
): Promise<VerifyReport> {
  const started = performance.now();
  const elapsed = () => (performance.now() - started) / 1000;
  const hasTime = () => elapsed() < request.seconds;
  using runtime = Runtime.open();
  const random = new Random(request.seed);
  const subject = await subjectOf(runtime, request, { random, makeGradient });
  const { graph, facts } = subject.training;
  const wrt = subject.parameters;
  const latest = Math.max(request.seconds, elapsed() + FIRST_SHARE * request.seconds);
  using probe = await GradientProbe.open({
    ...{ ...subject, graph, facts, wrt },
    hasTime: () => elapsed() < latest,
  });
  const reached = subject.parameters.filter((name) => probe.reaches(name));
  const loaded = elapsed();
  const model = await modelRows(probe, reached, {
    hasTime: () => elapsed() < MODEL_SHARE * request.seconds,
  });
  const seen = elapsed();
  const end = seen + OPERATORS_SHARE * (request.seconds - seen);
  const operators = await operatorRows(subject, () => elapsed() < end);
  const alone = elapsed();
  const parameters = await parameterRows(probe, reached, hasTime);
  const rows = [...model.rows, ...operators.rows, ...parameters.rows];
  const seconds = elapsed();
  const phases: readonly Phase[] = [
    { ...operators, seconds: alone - seen, share: OPERATORS_SHARE },
    { ...parameters, seconds: seconds - alone, share: 1 },
  ];
  const each = (seen - loaded) / Math.max(1, model.rows.length);
  const worst = worstOf(rows);
  return {
    file: request.model,
    verdict: verdictOf(rows, operators, parameters),
    samples: subject.batch,
    tolerance: request.tolerance,
    model: coverageOf(model),
    operators: coverageOf(operators),
    parameters: coverageOf(parameters),
    ...forAll([model, ...phases], seen, each),
    idle: subject.parameters.filter((name) => !probe.reaches(name)),
    ...(worst === undefined ? {} : { worst }),
    rows,
    seconds,
  };
}

/** Name of the direction in which the outputs should change most. */
const STEEPEST = "steepest direction";

/** Rows of one kind, and how many there would be with time enough. */
interface Rows {
  readonly rows: readonly VerifyRow[];
  readonly of: number;
}

/** Rows, and the time that they took. */
interface Phase extends Rows {
  readonly seconds: number;
  /** Part of the time left that they may take. */
  readonly share: number;
}

function coverageOf({ rows, of }: Rows): Coverage {
  return { checked: rows.length, of };
}

/** Parameters, spread over the model, that stand for a direction of all of them. */
const PARAMETERS_ENOUGH = 8;

/**
 * The steepest direction is the gradient's own choice, and is blind where that is wrongly zero. So
 * a direction that was drawn must agree, or every kind of operator and, for how they are joined,
 * the steepest direction or enough parameters. In a deep network with batch norms a move of all
 * parameters together may change too much to be measured where a move of one does not.
 */
function verdictOf(
  rows: readonly VerifyRow[],
  operators: Rows,
  parameters: Rows,
): VerifyReport["verdict"] {
  if (rows.some(({ verdict }) => verdict === "differs")) return "fail";
  const agreeing = rows.filter(({ verdict }) => verdict === "agrees");
  const directions = agreeing.filter(({ kind }) => kind === "model");
  if (directions.some(({ name }) => name !== STEEPEST)) return "pass";
  const areAllKinds = operators.rows.length === operators.of &&
    operators.rows.every(({ verdict }) => verdict === "agrees");
  const alone = agreeing.filter(({ kind }) => kind === "parameter").length;
  const areJoined = directions.length > 0 || alone >= Math.min(PARAMETERS_ENOUGH, parameters.of);
  return areAllKinds && areJoined ? "pass" : "incomplete";
}

function worstOf(rows: readonly VerifyRow[]): VerifyRow | undefined {
  const measured = rows.filter(({ verdict }) => verdict !== "unclear");
  return measured.reduce<VerifyRow | undefined>(
    (most, row) => most === undefined || rank(row) > rank(most) ? row : most,
    undefined,
  );
}

/** A row that differs is worse than any that agrees. */
function rank({ verdict, relative }: VerifyRow): number {
  return verdict === "differs" ? 1 + (relative ?? Infinity) : Math.min(1, relative ?? 0);
}

/**
 * Directions of all parameters together, the first of them also where most of the time is gone:
 * one that was drawn, since it can be enough by itself.
 */
async function modelRows(
  probe: GradientProbe,
  parameters: readonly string[],
  o: { readonly hasTime: () => boolean },
): Promise<Rows> {
  if (parameters.length === 0) {
    throw new RavnError("no output of the model depends on a parameter");
  }
  const directions: readonly (readonly [string, () => Promise<Judgement | undefined>])[] = [
    ["random direction", () => probe.judgedRandom(parameters)],
    [STEEPEST, () => probe.judgedSteepest(parameters)],
    ["balanced direction", () => probe.judgedBalanced(parameters)],
  ];
  const rows: VerifyRow[] = [];
  for (const [name, judged] of directions) {
    if (rows.length > 0 && !o.hasTime()) break;
    const judgement = await judged();
    if (judgement === undefined) break;
    rows.push({ kind: "model", name, ...shown(judgement) });
  }
  return { rows, of: directions.length };
}

/** Parameters one by one, spread over the model, while there is time. */
async function parameterRows(
  probe: GradientProbe,
  parameters: readonly string[],
  hasTime: () => boolean,
): Promise<Rows> {
  const rows: VerifyRow[] = [];
  for (const name of spread(parameters)) {
    const judgement = hasTime() ? await probe.judged([name]) : undefined;
    if (judgement === undefined) break;
    rows.push({ kind: "parameter", name, ...shown(judgement) });
  }
  return { rows, of: parameters.length };
}

/** Seconds are named in steps of this many. */
const STEP_S = 30;

/**
 * The time that would do for everything, where not all was looked at.
 *
 * @param before time until the whole model was seen
 * @param each time of a row of whose kind none was seen
 */
function forAll(
  [model, ...phases]: readonly [Rows, ...Phase[]],
  before: number,
  each: number,
): { readonly secondsForAll?: number } {
  if ([model, ...phases].every(({ rows, of }) => rows.length === of)) return {};
  const whole = before + (model.of - model.rows.length) * each;
  const times = phases.map(({ rows, of, seconds }) =>
    rows.length === 0 ? of * each : of * seconds / rows.length
  );
  const after = Math.max(
    times.reduce((sum, time) => sum + time, 0),
    ...times.map((time, i) => time / phases[i]!.share),
  );
  const enough = Math.max(whole + after, whole / MODEL_SHARE);
  return { secondsForAll: STEP_S * Math.ceil(enough / STEP_S) };
}

/** The list with its ends and middle first, so that any beginning of it covers the whole. */
function spread<T>(list: readonly T[]): T[] {
  const taken = new Set<number>();
  for (let parts = 1; taken.size < list.length; parts *= 2) {
    for (let i = 0; i <= parts; i++) taken.add(Math.round(i / parts * (list.length - 1)));
  }
  return [...taken].map((index) => list[index]!);
}
