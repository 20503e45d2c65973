/** Variable of a process that is to stop when its standard input ends, because its parent has. */
export const SUPERVISED = "RAVN_SUPERVISED";
