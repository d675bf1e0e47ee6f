import { readFileSync } from "node:fs";
import { errnoOf, KeelsonError } from "../errors.ts";
import type { Deployment } from "../plan/deployment.ts";
import { runtimeId } from "../plan/name.ts";
import { runProgram } from "./program.ts";

/** A process of a container, as the host sees it. */
export interface ContainerProcess {
  readonly pid: number;
  readonly uid: number;
  /** As in proc_pid_stat(5): R, S, D, Z, ... */
  readonly state: string;
  /** Bytes that it has in memory. */
  readonly memory: number;
  /** Milliseconds of a processor that it has used. */
  readonly cpu: number;
  /** RFC 3339. */
  readonly started: string;
  readonly command: string;
}

const answerTimeout = 10_000;
/** USER_HZ, which Linux shows to programs as 100 whatever it is built with. */
const tick = 1000 / 100;
const pageSize = 4096;

/** The processes of a container that runs, as its runtime names them. Throws E_RUNTIME. */
export async function readProcesses({ runtime, name }: Deployment): Promise<readonly ContainerProcess[]> {
  const { status, stdout, stderr } = await runProgram(
    runtime,
    ["ps", "--format", "json", runtimeId(name)],
    answerTimeout,
  );
  if (status !== 0) {
    throw new KeelsonError("E_RUNTIME", `${runtime} ps ${name}: ${stderr.trim()}`, {
      hint: `systemctl status ${name} shows them too.`,
    });
  }
  const pids: readonly number[] | null = JSON.parse(stdout);
  const booted = Number(/^btime (\d+)$/m.exec(readFileSync("/proc/stat", "latin1"))?.[1]) * 1000;
  return (pids ?? []).flatMap((pid) => readProcess(pid, booted));
}

/** Empty when it has ended by now. */
function readProcess(pid: number, booted: number): readonly ContainerProcess[] {
  try {
    const read = (file: string): string => readFileSync(`/proc/${pid}/${file}`, "utf8");
    const stat = read("stat");
    // The name, in brackets, may hold anything; what follows is numbers, the third field first.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const number = (field: number): number => Number(fields[field - 3]);
    const words = read("cmdline").split("\0").filter(Boolean);
    return [
      {
        pid,
        uid: Number(/^Uid:\s+(\d+)/m.exec(read("status"))?.[1]),
        state: fields[0] ?? "",
        memory: number(24) * pageSize,
        cpu: (number(14) + number(15)) * tick,
        started: new Date(booted + number(22) * tick).toISOString(),
        command: words.join(" ") || stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")")),
      },
    ];
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ESRCH") return [];
    throw error;
  }
}
