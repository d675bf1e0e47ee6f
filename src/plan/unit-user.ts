import type { Phase } from "../contract/phase.ts";
import { KeelsonError } from "../errors.ts";
import type { DeployedTmpfiles } from "./deployment.ts";
import { isBelow, type Places } from "./places.ts";

/**
 * What a system starts its services by; a user's are started by default.target, at login or with the host where the user
 * lingers.
 */
const systemTargets = /(?<![\w.@-])(?:multi-user|graphical)\.target(?![\w-])/g;

/** A unit as the manager of a user can start it at login. The host's units have the text that is given. */
export function forManager(text: string, { user }: Places): string {
  if (user === undefined) return text;
  return text.replace(/^[ \t]*(?:Wanted|Required|Upheld)By[ \t]*=.*$/gm, (line) =>
    line.replace(systemTargets, "default.target"),
  );
}

/**
 * A unit that makes its directories below XDG_RUNTIME_DIR before it starts: they are gone after a logout, and not every user
 * has systemd-tmpfiles run at login.
 */
export function withRuntimeDirectories(text: string, tmpfiles: DeployedTmpfiles | undefined, places: Places): string {
  if (places.user === undefined || !tmpfiles?.declared.some((path) => isBelow(path, places.run))) return text;
  const create = `ExecStartPre=systemd-tmpfiles --user --create ${tmpfiles.path}`;
  return `${text.trimEnd()}\n\n# Added by keelson: its directories go with the session.\n[Service]\n${create}\n`;
}

/** Throws E_USAGE for a phase that is over before any user's manager runs. */
export function refuseEarly(phase: Phase, { user }: Places): void {
  if (user === undefined || phase === "normal") return;
  throw new KeelsonError("E_USAGE", `the phase ${phase} is over before a user's services can start`, {
    hint: "Install it as root, without --user, or with --phase normal.",
  });
}
