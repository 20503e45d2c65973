import type { Random } from "../../random.ts";
import type { Picture } from "../images/picture.ts";

/** Spread of the noise on each value, in levels. */
const NOISE = 12;

/**
 * A made-up colour picture of a class: stripes whose direction, width and colour belong to the
 * class, moved by chance, with noise. A small network tells the classes apart after a few steps.
 */
export function scene(label: number, classes: number, side: number, random: Random): Picture {
  const angle = Math.PI * label / classes;
  const pitch = side / (3 + 2 * (label % 3));
  const [dx, dy] = [Math.cos(angle), Math.sin(angle)];
  const phase = 2 * Math.PI * random.uniform();
  const data = new Uint8Array(side * side * 3);
  for (let y = 0, at = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const stripe = Math.sin(2 * Math.PI * (x * dx + y * dy) / pitch + phase);
      for (let c = 0; c < 3; c++) {
        const tint = Math.cos(2 * Math.PI * (label / classes + c / 3));
        const value = 128 + 50 * tint + 50 * stripe + NOISE * random.normal();
        data[at++] = Math.min(255, Math.max(0, Math.round(value)));
      }
    }
  }
  return { width: side, height: side, channels: 3, data };
}
