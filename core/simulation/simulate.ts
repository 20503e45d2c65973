import type { SimulationInput, SimulationObserver } from "./input.ts";
import { resultOf } from "./report.ts";
import type { SimulationResult } from "./report.ts";
import { Simulation } from "./simulation.ts";

/**
 * Runs a training on virtual time: the state machines of the pipeline and of the averaging are the
 * ones that train, what they compute and send takes the time that is planned for it. The same input
 * gives the same numbers to the last digit.
 *
 * @throws {Error} where a state machine refuses a message, a bound is broken, or the run stands
 *   still: that is a fault in ravn, not in the plan
 */
export function simulate(
  input: SimulationInput,
  observer: SimulationObserver = {},
): SimulationResult {
  const simulation = new Simulation(input, observer);
  simulation.run();
  return resultOf(simulation, input);
}
