/** Time that bytes take on a link, latency apart: bytes · 8 bit / (Mbit/s · 10⁶), ms. */
export function transferTime(bytes: number, mbps: number): number {
  return bytes === 0 ? 0 : (bytes * 8) / (mbps * 1000);
}
