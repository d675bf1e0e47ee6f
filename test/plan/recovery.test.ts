import { describe, expect, it } from "vitest";
import { formatChange } from "../../src/plan/change.ts";
import type { HostFacts, PathFact } from "../../src/plan/facts.ts";
import { textState } from "../../src/plan/file-state.ts";
import { hostPlaces, userPlaces } from "../../src/plan/places.ts";
import { planRecovery, planRecoveryRemoval } from "../../src/plan/recovery.ts";
import { parseUnit } from "../../src/plan/unit-file.ts";
import { kim } from "../bed/user.ts";

const path = "/etc/systemd/system/keelson-recover.service";
const wants = "/etc/systemd/system/sysinit.target.wants";
const link = `${wants}/keelson-recover.service`;

/** A host with this unit file, unless undefined, and this at other paths. */
function facts(text?: string, there: Readonly<Record<string, PathFact>> = {}, keelson = "/opt/keelson"): HostFacts {
  const unit: Readonly<Record<string, PathFact>> =
    text === undefined ? {} : { [path]: { kind: "file" as const, ...textState(text) } };
  const at = (path: string): PathFact => ({ ...unit, ...there })[path] ?? { kind: "missing" };
  return {
    places: hostPlaces,
    state: "/var/lib/keelson",
    keelson,
    at,
    textAt: (at: string) => (at === path ? text : undefined),
  } as HostFacts;
}

function unitOf(host: HostFacts): string {
  const [change] = planRecovery(host);
  if (change?.kind !== "file" || change.to?.content.kind !== "text") throw new Error("no unit is written");
  return change.to.content.text;
}

const lines = (changes: ReturnType<typeof planRecovery>): readonly string[] => changes.map(formatChange);
const linked: PathFact = { kind: "symlink", target: path };
const directory: PathFact = { kind: "directory", mode: 0o755 };

describe("the recovery unit", () => {
  it("comes with the first container, wanted by sysinit.target", () => {
    expect(lines(planRecovery(facts()))).toEqual([`create ${path}`, `create ${wants}/`, `create ${link} -> ${path}`]);
  });

  it("78: of a user runs when there is a bus, before what the login starts", () => {
    const own = { ...facts(), places: userPlaces(kim), state: "/home/kim/.local/share/keelson" };
    const unit = "/home/kim/.config/systemd/user/keelson-recover.service";
    const directory = "/home/kim/.config/systemd/user/default.target.wants";
    expect(lines(planRecovery(own))).toEqual([
      `create ${unit}`,
      `create ${directory}/`,
      `create ${directory}/keelson-recover.service -> ${unit}`,
    ]);
    const text = unitOf(own);
    expect(text).toContain("\nBefore=default.target\n");
    expect(text).toContain("\nExecStart=/opt/keelson --user recover\n");
    expect(text).not.toMatch(/DefaultDependencies|RequiresMountsFor|sysinit/);
  });

  it("runs before every unit with default dependencies, only when there is something to recover, and not for ever", () => {
    const settings = parseUnit(unitOf(facts(undefined, {}, "/opt/my 100% keelson")), "unit").map(
      ({ key, value }) => `${key}=${value}`,
    );
    expect(settings).toEqual(
      expect.arrayContaining([
        "DefaultDependencies=no",
        "Before=sysinit.target shutdown.target",
        "RequiresMountsFor=/var/lib/keelson",
        "ConditionPathExists=/var/lib/keelson/journal/transaction",
        "ConditionFileIsExecutable=/opt/my 100%% keelson",
        "Type=oneshot",
        'ExecStart="/opt/my 100%% keelson" recover',
        "TimeoutStartSec=120",
        "WantedBy=sysinit.target",
      ]),
    );
  });

  it("is left as it is by the next container, also where an administrator has disabled it", () => {
    expect(planRecovery(facts(unitOf(facts()), { [wants]: directory, [link]: linked }))).toEqual([]);
    expect(planRecovery(facts(unitOf(facts()), { [wants]: directory }))).toEqual([]);
  });

  it("follows keelson when that has moved", () => {
    const old = unitOf(facts());
    const moved = facts(old, { [wants]: directory, [link]: linked }, "/usr/local/bin/keelson");
    expect(lines(planRecovery(moved))).toEqual([`replace ${path}`]);
    expect(unitOf(moved)).toContain("ExecStart=/usr/local/bin/keelson recover");
  });

  it("goes with the last container, link first", () => {
    const host = facts(unitOf(facts()), { [wants]: directory, [link]: linked });
    expect(lines(planRecoveryRemoval(host))).toEqual([
      `remove ${link} -> ${path}`,
      `remove ${wants}/ if it is empty`,
      `remove ${path}`,
      "systemctl daemon-reload",
    ]);
  });

  it.each([
    ["somebody else's unit", facts("[Service]\nExecStart=/bin/true\n")],
    ["a masked one", facts(undefined, { [path]: { kind: "symlink", target: "/dev/null" } })],
  ])("%s of that name stays", (_, host) => {
    expect([...planRecovery(host), ...planRecoveryRemoval(host)]).toEqual([]);
  });
});
