/**
 * Replicas agree: the multi-ring all-reduce over ranges of elements as a pure state machine. The
 * same code runs under real sockets and in a test with simulated links.
 *
 * @module
 */
export * from "./pieces.ts";
export * from "./all_reduce.ts";
export * from "./outer.ts";
