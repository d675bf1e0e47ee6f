import { describe, expect, it } from "vitest";
import { planAtBoot } from "../../src/plan/at-boot.ts";
import { formatChange } from "../../src/plan/change.ts";
import type { HostFacts, PathFact } from "../../src/plan/facts.ts";
import { textState } from "../../src/plan/file-state.ts";
import { hostPlaces } from "../../src/plan/places.ts";
import { parseUnit } from "../../src/plan/unit-file.ts";

const path = "/etc/systemd/system/keelson-apply.service";
const wants = "/etc/systemd/system/multi-user.target.wants";
const link = `${wants}/keelson-apply.service`;
const directory: PathFact = { kind: "directory", mode: 0o755 };
const linked = { [wants]: directory, [link]: { kind: "symlink", target: path } } as const;
const stacks = { directory: "/etc/keelson/stack.d", options: ["--prune"] };

/** A host with this unit file, unless undefined, and this at other paths. */
function facts(text?: string, there: Readonly<Record<string, PathFact>> = { [wants]: directory }): HostFacts {
  const paths: Readonly<Record<string, PathFact>> = {
    "/etc/systemd/system": directory,
    ...(text === undefined ? {} : { [path]: { kind: "file", ...textState(text) } }),
    ...there,
  };
  return {
    places: hostPlaces,
    state: "/var/lib/keelson",
    keelson: "/opt/my keelson",
    at: (place: string) => paths[place] ?? { kind: "missing" },
    textAt: (place: string) => (place === path ? text : undefined),
    madeBefore: () => false,
  } as unknown as HostFacts;
}

function unitOf(atBoot: Parameters<typeof planAtBoot>[0]): string {
  const [change] = planAtBoot(atBoot, facts()).changes;
  if (change?.kind !== "file" || change.to?.content.kind !== "text") throw new Error("no unit is written");
  return change.to.content.text;
}

const lines = (...given: Parameters<typeof planAtBoot>): readonly string[] =>
  planAtBoot(...given).changes.map(formatChange);
const settings = (text: string): readonly string[] =>
  parseUnit(text, "unit").map(({ key, value }) => `${key}=${value}`);

describe("the unit that applies stacks at boot", () => {
  it("comes after local file systems and the network, only where there is a stack", () => {
    expect(settings(unitOf(stacks))).toEqual(
      expect.arrayContaining([
        "After=local-fs.target keelson-recover.service",
        "Wants=network-online.target",
        "After=network-online.target",
        "RequiresMountsFor=/var/lib/keelson",
        "ConditionPathExistsGlob=/etc/keelson/stack.d/*.conf",
        "Type=oneshot",
        'ExecStart="/opt/my keelson" apply --prune',
        "Restart=on-failure",
        "RestartPreventExitStatus=2 3 4 7 8 11 12 13",
        "WantedBy=multi-user.target",
      ]),
    );
  });

  it("does not wait for the network where there is a bundle", () => {
    const text = unitOf({ ...stacks, bundle: "/srv/node 1.tar" });
    expect(text).not.toContain("network");
    expect(settings(text)).toEqual(
      expect.arrayContaining([
        'RequiresMountsFor=/var/lib/keelson "/srv/node 1.tar"',
        'ExecStart="/opt/my keelson" apply --prune --bundle "/srv/node 1.tar"',
      ]),
    );
    expect(() => unitOf({ ...stacks, bundle: "/srv/a\nb" })).toThrow("cannot stand in a unit");
  });

  it("is written once, brought up to date, and linked again where that is asked for again", () => {
    const text = unitOf(stacks);
    expect(lines(stacks, facts())).toEqual([`create ${path}`, `create ${link} -> ${path}`, "systemctl daemon-reload"]);
    expect(lines(stacks, facts(undefined, {}))).toContain(`create ${wants}/`);
    expect(lines(stacks, facts(text, linked))).toEqual([]);
    expect(lines(stacks, facts(text))).toEqual([`create ${link} -> ${path}`, "systemctl daemon-reload"]);
    expect(lines({ ...stacks, options: [] }, facts(text, linked))).toEqual([
      `replace ${path}`,
      "systemctl daemon-reload",
    ]);
  });

  it("is removed with its link, but not what is somebody's in its place", () => {
    expect(lines(undefined, facts(unitOf(stacks), linked))).toEqual([
      `remove ${link} -> ${path}`,
      `remove ${wants}/ if it is empty`,
      `remove ${path}`,
      "systemctl daemon-reload",
    ]);
    expect(planAtBoot(undefined, facts())).toEqual({ changes: [], kept: [] });
    for (const atBoot of [stacks, undefined]) {
      expect(planAtBoot(atBoot, facts("[Unit]\n", linked))).toEqual({ changes: [], kept: [path] });
    }
  });
});
