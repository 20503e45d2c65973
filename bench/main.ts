/** `deno task bench [PREFIX]`: a line of JSON a bench, for those whose name begins with PREFIX. */
import { BENCHES } from "./list.ts";
import { runBenches, startProcess } from "./runner.ts";

if (import.meta.main) {
  const print = (line: string) => void Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
  const good = await runBenches(BENCHES, Deno.args[0] ?? "", startProcess, print);
  Deno.exit(good ? 0 : 1);
}
