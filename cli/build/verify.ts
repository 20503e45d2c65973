/** A check that hangs has failed. */
const TIMEOUT_MS = 120_000;

/**
 * Runs `<program> doctor` in an empty environment with an empty home, as on a machine that has
 * never seen ravn. Returns nothing where every check passed, else what was printed.
 */
export async function selfTest(program: string): Promise<string | undefined> {
  const home = await Deno.makeTempDir({ prefix: "ravn-home-" });
  try {
    const { success, stdout, stderr } = await new Deno.Command(program, {
      args: ["doctor", "--json"],
      clearEnv: true,
      env: { HOME: home },
      cwd: home,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    }).output();
    const decoder = new TextDecoder();
    const printed = decoder.decode(stdout) + decoder.decode(stderr);
    // A foreign base can end with 0 and never have started ravn.
    const checks = printed.split("\n").filter((line) => line.startsWith('{"event":"check"'));
    return success && checks.length > 0 ? undefined : printed.trim() || "it printed nothing";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}
