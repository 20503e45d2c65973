/** Longest line that is kept whole; a longer one is cut into several. */
const LINE_CHARACTERS_MAX = 1 << 20;

/** Splits text into lines, without their ends. */
export class TextLineStream extends TransformStream<string, string> {
  constructor() {
    let rest = "";
    super({
      transform(chunk, controller) {
        const lines = (rest + chunk).split(/\r?\n/);
        rest = lines.pop()!;
        for (const line of lines) controller.enqueue(line);
        if (rest.length < LINE_CHARACTERS_MAX) return;
        controller.enqueue(rest);
        rest = "";
      },
      flush(controller) {
        if (rest !== "") controller.enqueue(rest);
      },
    });
  }
}
