/** What a runtime said when it could not start a container. */
export interface RuntimeError {
  /** In plain words. */
  readonly text: string;
  /** The path of the host that it could not find. */
  readonly source?: string;
}

type Rule = readonly [pattern: RegExp, text: (...parts: readonly string[]) => string];

const absent = (program = ""): string => `its program ${program} is not in the image`;
const forbidden = (program = ""): string => `its program ${program} may not be executed`;
const foreign = (program = ""): string => `its program ${program} is for another kind of machine, or no program at all`;
const unlike = (place = ""): string =>
  `of what is mounted at ${place} and what the image has there, one is a file and one a directory`;
const limited = (): string =>
  "it wants a higher resource limit (process.rlimits) than the host allows, or systemd gives its service";
const lost = (): string => "its config.json is not there";

/** What runc logs. */
const runcRules: readonly Rule[] = [
  [/exec: "([^"]+)": (?:stat [^:]+: no such file|executable file not found)/, absent],
  [/exec: "([^"]+)": permission denied/, forbidden],
  [/exec: "([^"]+)": exec format error/, foreign],
  [/error mounting "[^"]+" to rootfs at "([^"]+)": .*not a directory/, unlike],
  [
    /error mounting "([^"]+)" to rootfs at "([^"]+)": .*no such device/,
    (type, place) => `the kernel has no file system for ${type}, which is to be mounted at ${place}`,
  ],
  [
    /error mounting "([^"]+)" to rootfs at "([^"]+)": (.*)/,
    (source, place, why) => `${source} cannot be mounted at ${place}: ${why}`,
  ],
  [/setting rlimit.*operation not permitted/, limited],
  [/namespace path: lstat ([^:]+): no such file/, (path) => `the namespace ${path}, which it is to join, is not there`],
  [/container with (?:given )?id.* exists/i, () => "the runtime has a container of that name already"],
  [/specification file .*config\.json not found/, lost],
  [/apparmor/i, () => "its AppArmor profile is not loaded on this host"],
  [/seccomp/i, () => "its seccomp filter cannot be loaded on this host"],
  [/session key/, () => "the kernel's quota of keys is used up, or keys are not allowed here"],
  [/cgroup/, () => "its control group cannot be set up"],
];

/** What crun, and what is about to become the container's program, write without any mark. */
const bareRules: readonly Rule[] = [
  [/^executable file `([^`]+)` not found/, absent],
  [/^(?:open executable `?([^`:]+)`?: Permission denied|the path `([^`]+)` is not executable)/, forbidden],
  [/^exec (?:container process )?[`']?([^:`']+)[`']?: exec format error/i, foreign],
  [/^mount `[^`]+` to `([^`]+)`: Not a directory/, unlike],
  [/^setrlimit `[^`]+`: Operation not permitted/, limited],
  [/^load `config\.json`/, lost],
];

const missingSources = {
  logged: /error mounting "([^"]+)" to rootfs at "[^"]+": l?stat [^:]+: no such file/,
  bare: /^(?:cannot )?stat `(\/[^`]+)`: No such file or directory/,
} as const;

/** The runtime's last error among lines of the journal; undefined when it has none there. */
export function readRuntimeError(lines: readonly string[]): RuntimeError | undefined {
  for (const line of lines.toReversed()) {
    const logged = /level=(?:error|fatal) msg="((?:[^"\\]|\\.)*)"/.exec(line)?.[1]?.replace(/\\(.)/g, "$1");
    const error = logged === undefined ? errorIn(line, "bare", bareRules) : errorIn(logged, "logged", runcRules);
    if (error !== undefined) return error;
    if (logged !== undefined) return { text: logged.replace(/^runc \w+ failed: /, "") };
  }
  return undefined;
}

function errorIn(message: string, kind: "logged" | "bare", rules: readonly Rule[]): RuntimeError | undefined {
  const source = missingSources[kind].exec(message)?.[1];
  if (source !== undefined) return { text: `${source}, which is mounted into it, is not there`, source };
  for (const [pattern, text] of rules) {
    const parts = pattern.exec(message);
    if (parts !== null) return { text: text(...parts.slice(1).filter((part) => part !== undefined)) };
  }
  return undefined;
}
