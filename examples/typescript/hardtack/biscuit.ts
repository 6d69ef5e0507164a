/** biscuit-wasm, whose loading says so on standard output: here it does not. */

const { log } = console;
console.log = () => {};
export const biscuit = await import("@biscuit-auth/biscuit-wasm");
console.log = log;

const LIMITS = { max_facts: 1000, max_iterations: 100, max_time_micro: 1_000_000 };
const TRIES_MAX = 50;

/**
 * Runs something with a fresh authorizer. Biscuit's own limit of some milliseconds holds in part
 * whatever limits are given, and a cold or busy machine does not keep it: then it is tried again.
 */
export function patiently<T>(run: (limits: typeof LIMITS) => T): T {
  for (let tries = 1; ; tries += 1) {
    try {
      return run(LIMITS);
    } catch (error) {
      const { RunLimit: limit } = (error ?? {}) as { RunLimit?: unknown };
      if (limit !== "Timeout" || tries >= TRIES_MAX) throw error;
    }
  }
}
