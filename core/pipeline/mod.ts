/**
 * The life of a pipeline stage as pure state machines: what to do next, with which weights, given
 * the messages that have arrived. The same code runs under real sockets and in a simulator.
 *
 * @module
 */
export * from "./calendar.ts";
export * from "./schedule.ts";
export * from "./versions.ts";
export * from "./stage_machine.ts";
export * from "./stage_course.ts";
export * from "./evaluation.ts";
export * from "./norm_sum.ts";
