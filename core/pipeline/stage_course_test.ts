import assert from "node:assert/strict";
import { Calendar } from "./calendar.ts";
import { StageCourse } from "./stage_course.ts";
import type { CourseOptions, StageTask } from "./stage_course.ts";

/** Two updates of one micro-batch each, two validation batches after each of them. */
const calendar = new Calendar({
  epochs: 1,
  samples: 8,
  batch_size: 4,
  micro_batches: 1,
  update_frequency: 1,
  validation_samples: 8,
  validation_every: 1,
});

function courseOf(stage: number, changes: Partial<CourseOptions> = {}): StageCourse {
  return new StageCourse({
    position: { schedule: "1f1b", stage, stages: 2, inFlight: 2 },
    neighbours: stage === 0 ? { producers: [], consumers: [1] } : { producers: [0], consumers: [] },
    calendar,
    knowsNorm: () => true,
    mayAdopt: () => true,
    ...changes,
  });
}

/** Does the next task, and tells what it was. */
function step(course: StageCourse): string | undefined {
  const task: StageTask | undefined = course.next();
  if (task === undefined) return undefined;
  course.completed(task);
  if (task.type !== "validate") return task.type;
  course.evaluation.completed();
  return `validate ${task.batch} of ${task.validation}`;
}

Deno.test("training and validations go by turns, and no version overtakes one", () => {
  const course = courseOf(0);
  assert.deepEqual([step(course), step(course)], ["forward", undefined]);
  assert.equal(course.expected, "backward 0 from stage 1");
  course.arrived("backward", 0, 1);
  assert.deepEqual([step(course), step(course)], ["backward", "update"]);
  course.evaluation.due(1);
  assert.deepEqual([1, 2, 3].map(() => step(course)), [
    "validate 0 of 0",
    "forward",
    "validate 1 of 0",
  ]);
  course.arrived("backward", 1, 1);
  assert.equal(step(course), "backward");
  // The last version is validated twice, two batches ahead of stage 1 at most.
  assert.equal(step(course), "update");
  for (const _ of [1, 2]) course.evaluation.due(2);
  assert.ok(!course.finished);
  assert.equal(step(course), undefined);
  assert.equal(course.expected, "evaluated 0 from stage 1");
});

Deno.test("an update waits for the validation before it, and for the norm", () => {
  let known = false;
  const course = courseOf(1, { knowsNorm: () => known });
  course.arrived("forward", 0, 0);
  assert.equal(step(course), "step");
  assert.equal(step(course), undefined);
  assert.deepEqual([course.awaitsNorm, course.awaits], [0, undefined]);
  assert.equal(course.expected, "the norm of the gradients of update 1");
  known = true;
  assert.equal(step(course), "update");
  course.evaluation.due(1);
  course.arrived("forward", 1, 0);
  assert.equal(step(course), "step");
  assert.equal(step(course), undefined, "version 1 is still to be validated");
  assert.equal(course.expected, "evaluate 0 from stage 0");
  for (const batch of [0, 1]) {
    course.evaluation.arrived(0, 0, batch);
    assert.equal(step(course), `validate ${batch} of 0`);
  }
  assert.equal(step(course), "update");
  assert.ok(course.finished);
  assert.equal(course.expected, "the end of the run");
});

Deno.test("an average that is not complete is waited for", () => {
  const averaging = new Calendar({ ...calendar.shape, validation_samples: 0, reduce_every: 1 });
  let complete = false;
  const course = courseOf(1, { calendar: averaging, mayAdopt: () => complete });
  course.arrived("forward", 0, 0);
  assert.deepEqual([1, 2, 3, 4].map(() => step(course)), ["step", "update", "reduce", undefined]);
  assert.ok(course.adopts);
  assert.equal(course.expected, "the average of the weights");
  complete = true;
  assert.equal(step(course), "adopt");
});
