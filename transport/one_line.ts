/**
 * A text from a peer, fit to stand in a message of one line: without control characters, not long.
 */
export function oneLine(text: string, most = 1000): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ").slice(0, most);
}
