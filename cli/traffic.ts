import type { LinkBytes } from "../core/run/events.ts";
import type { Terminal } from "./output.ts";
import { byteSize, type Column } from "./table.ts";

const COLUMNS: readonly Column<LinkBytes>[] = [
  { title: "from", value: ({ from }) => from },
  { title: "to", value: ({ to }) => to },
  { title: "content", value: ({ content }) => content },
  { title: "messages", value: ({ messages }) => messages },
  { title: "raw", value: ({ bytes_raw }) => byteSize(bytes_raw) },
  { title: "sent", value: ({ bytes_sent }) => byteSize(bytes_sent) },
  {
    title: "share",
    value: ({ bytes_raw, bytes_sent }) => `${(bytes_sent / bytes_raw * 100).toFixed(1)} %`,
  },
];

/** A table of what stages sent each other, where any of it was compressed. */
export function showTraffic(links: readonly LinkBytes[], terminal: Terminal): void {
  if (links.every(({ bytes_raw, bytes_sent }) => bytes_sent === bytes_raw)) return;
  terminal.table(COLUMNS, links);
}
