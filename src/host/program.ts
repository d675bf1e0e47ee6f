import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";

/** What a program said; `status` is -1 when a signal ended it, or it took too long. */
export interface ProgramResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

const directories = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
/** What a program started by keelson gets of the environment. */
export const environment = { PATH: directories.join(":"), LANG: "C.UTF-8", ...ofUser() };
/** More output than this is not kept; a program that says more is still read to its end. */
const keptOutput = 1 << 20;

/**
 * Where a runtime that a user calls keeps its containers, and systemd's programs look for what is that user's; root's are
 * elsewhere.
 */
function ofUser(): NodeJS.ProcessEnv {
  const uid = process.getuid?.() ?? 0;
  const { HOME, XDG_RUNTIME_DIR = `/run/user/${uid}` } = process.env;
  return uid === 0 ? {} : { HOME, XDG_RUNTIME_DIR };
}

/** The absolute path of a program of the host; undefined when it is not installed. */
export function programPath(name: string): string | undefined {
  return directories.map((directory) => `${directory}/${name}`).find(executable);
}

/** Whether the file can be executed, as far as its mode tells. */
export function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Runs a program by its absolute path with nothing of keelson's environment and no input. Throws the system error when
 * it cannot be started at all. `timeout` in milliseconds.
 */
export function runProgram(path: string, argv: readonly string[], timeout: number): Promise<ProgramResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(path, argv, {
      cwd: "/",
      env: environment,
      stdio: ["ignore", "pipe", "pipe"],
      timeout,
      killSignal: "SIGKILL",
    });
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (text: string) => {
        if (output[name].length < keptOutput) output[name] += text;
      });
    }
    child.once("error", reject);
    child.once("close", (status) => resolve({ status: status ?? -1, ...output }));
  });
}
