import { spawn } from "node:child_process";
import { constants } from "node:os";
import { environment } from "./program.ts";

/** What the kernel sends to everything on a terminal by itself. */
const ofTerminals = ["SIGINT", "SIGQUIT", "SIGHUP"] as const;
const always = ["SIGTERM", "SIGUSR1", "SIGUSR2"] as const;

/**
 * Runs a program to its end, this terminal its own, and gives its exit status: 128 and the number of the signal that ended it,
 * as a shell says. Signals are passed on, but for those that the program, on the same terminal, gets as well; nothing is run
 * when `signal` is aborted already.
 */
export function runAttached(program: string, argv: readonly string[], signal: AbortSignal): Promise<number> {
  // What came before there was a child to pass it on to.
  signal.throwIfAborted();
  const passed = process.stdin.isTTY === true ? always : [...always, ...ofTerminals];
  return new Promise((resolve, reject) => {
    const child = spawn(program, argv, { stdio: "inherit", env: { ...environment, ...terminalOf(process.env) } });
    const pass = (name: NodeJS.Signals): void => void child.kill(name);
    for (const name of passed) process.on(name, pass);
    const end = (): void => {
      for (const name of passed) process.removeListener(name, pass);
    };
    child.once("error", (error) => {
      end();
      reject(error);
    });
    child.once("close", (status, name) => {
      end();
      resolve(status ?? 128 + (name === null ? 0 : constants.signals[name]));
    });
  });
}

function terminalOf({ TERM }: NodeJS.ProcessEnv): { readonly TERM?: string } {
  return TERM === undefined ? {} : { TERM };
}
