import { realpathSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { KeelsonError } from "../errors.ts";
import { executable, runProgram } from "./program.ts";

/** The OCI runtime that units are written for. */
export interface Runtime {
  /** As the host names it: what stands in units. */
  readonly path: string;
  /** What it says it is, `runc` or `crun`; its file name if it was not asked. */
  readonly name: string;
  /** Absent if it was not asked: below another root nothing is executed. */
  readonly version?: string;
}

const usualPaths = ["/usr/bin/runc", "/usr/sbin/runc", "/usr/bin/crun"];
const answerTimeout = 10_000;

/**
 * The runtime at `configured`, or else the first of runc and crun where distributions install them, below `root`. Below `/`
 * it has to answer `--version`. Throws E_RUNTIME.
 */
export async function findRuntime(options: { readonly root: string; readonly configured?: string }): Promise<Runtime> {
  const { root, configured } = options;
  if (configured !== undefined && !/^\/[^\s'"\\%$;]+$/.test(configured)) {
    throw absent(configured, "its path has to be absolute, without spaces, quotes, % and $, as it stands in units");
  }
  const path = (configured === undefined ? usualPaths : [configured]).find((each) => program(join(root, each)));
  if (path === undefined) {
    if (configured !== undefined) throw absent(configured, "there is no executable file");
    throw absent("an OCI runtime", `none of ${usualPaths.join(", ")} is there`);
  }
  if (realpathSync(root) !== "/") return { path, name: basename(path) };
  return ask(path);
}

async function ask(path: string): Promise<Runtime> {
  const { status, stdout, stderr } = await runProgram(path, ["--version"], answerTimeout).catch((error: unknown) => {
    throw absent(path, "it cannot be executed", error);
  });
  if (status !== 0)
    throw absent(
      path,
      `${path} --version ended with status ${status}${stderr.trim() === "" ? "" : `: ${stderr.trim()}`}`,
    );
  const [, name, version] = /^(\S+) version (\S+)/.exec(stdout) ?? [];
  return { path, name: name ?? basename(path), ...(version === undefined ? {} : { version }) };
}

function program(path: string): boolean {
  return executable(path) && statSync(path).isFile();
}

function absent(what: string, why: string, cause?: unknown): KeelsonError {
  return new KeelsonError("E_RUNTIME", `${what} is not installed: ${why}`, {
    hint: "Install runc (or crun), or name a runtime with --runtime PATH.",
    ...(cause === undefined ? {} : { cause }),
  });
}
