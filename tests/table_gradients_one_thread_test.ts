/** As `table_gradients_test.ts`, where ONNX Runtime has one thread: a process has one number. */
import { Runtime } from "../core/runtime/mod.ts";
import { settings } from "./made_up_problem.ts";
import { BOTH, compareSums, tableRun } from "./table_problem.ts";

Deno.test("one thread: in one stage and in two, tied and not", async () => {
  const runtime = Runtime.open({ threads: 1 });
  const base = await tableRun(runtime);
  await compareSums(base, "one stage");
  await compareSums({ ...base, cuts: [2], settings: { ...settings, schedule: "zb" } }, "zb");
  const tied = await tableRun(runtime, { tied: true, twice: true });
  await compareSums(tied, "tied", [...BOTH, "words.weight"]);
});
