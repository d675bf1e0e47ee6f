import { describe, expect, it } from "vitest";
import { formatChange } from "../../src/plan/change.ts";
import type { DeployedTrigger, Deployment } from "../../src/plan/deployment.ts";
import { installedFiles } from "../../src/plan/expected.ts";
import type { HostFacts, PathFact } from "../../src/plan/facts.ts";
import { textState } from "../../src/plan/file-state.ts";
import { hostPlaces } from "../../src/plan/places.ts";
import { planSwitch } from "../../src/plan/switch.ts";
import { socketEnvironment } from "../../src/plan/triggers.ts";
import { parseUnit } from "../../src/plan/unit-file.ts";
import { deploymentOf } from "./deployments.ts";

const units = "/etc/systemd/system";
function trigger(kind: DeployedTrigger["kind"], text = `[${kind}]\n`): DeployedTrigger {
  const path = `${units}/etcd.${kind}`;
  return { kind, unit: `etcd.${kind}`, path, text, links: [{ path: `${units}/x.wants/etcd.${kind}`, target: path }] };
}

const service = { unit: "etcd.service", path: `${units}/etcd.service`, text: "[Service]\n", enabled: true, links: [] };
const withTriggers = (...triggers: readonly DeployedTrigger[]): Deployment =>
  deploymentOf(undefined, { service: { ...service, triggers } });

/** A host on which these deployments' files are. */
function factsWith(...installed: readonly Deployment[]): HostFacts {
  const files = installed.flatMap(installedFiles).flatMap((file) => (file.kind === "file" ? [file] : []));
  const there = new Map<string, PathFact>(
    files.map(({ path, sha256 }) => [path, { kind: "file", mode: 0o644, sha256 }]),
  );
  const recover = `${units}/keelson-recover.service`;
  return {
    places: hostPlaces,
    state: "/var/lib/keelson",
    deployments: "/var/lib/keelson/deployments",
    keelson: "/opt/keelson/keelson",
    capabilities: [],
    selinux: false,
    apparmor: false,
    at: (path) =>
      path === recover
        ? { kind: "file", mode: 0o644, sha256: textState("").sha256 }
        : (there.get(path) ?? { kind: "missing" }),
    textAt: () => undefined,
    installed,
    unitText: () => undefined,
    additionsTo: () => "",
    alone: () => false,
    resolve: (path) => path,
    declaredElsewhere: () => false,
    madeBefore: () => false,
    leftAlone: () => false,
    ownerOf: () => undefined,
  };
}

const linesOf = (from: Deployment | undefined, to: Deployment | undefined, request: object): readonly string[] =>
  planSwitch(
    from,
    to,
    { running: false, start: false, purge: false, ...request },
    factsWith(...(from ? [from] : [])),
  ).changes.map(formatChange);

describe("a service that a socket starts", () => {
  const [one, two] = [withTriggers(trigger("socket")), withTriggers(trigger("socket", "[Socket]\nListenStream=1\n"))];

  it("is there by its socket: that is written last, enabled, and started", () => {
    expect(linesOf(undefined, one, { start: true })).toEqual([
      "switch etcd to deployment 1",
      `create ${units}/etcd.service`,
      `create ${units}/etcd.socket`,
      "systemctl daemon-reload",
      "systemctl enable etcd.socket",
      "systemctl start etcd.socket",
    ]);
  });

  it("has nobody connect while it is switched, and runs again only if it ran", () => {
    const request = { triggers: ["etcd.socket"], running: true };
    const switched = ["switch etcd to deployment 2", `replace ${units}/etcd.socket`, "systemctl daemon-reload"];
    const next = { ...two, generation: 2 };
    expect(linesOf(one, next, request)).toEqual([
      "systemctl stop etcd.socket",
      "systemctl stop etcd.service",
      ...switched,
      "systemctl start etcd.socket",
      "systemctl start etcd.service",
    ]);
    expect(linesOf(one, next, { ...request, running: false })).toEqual([
      "systemctl stop etcd.socket",
      ...switched,
      "systemctl start etcd.socket",
    ]);
    expect(linesOf(one, next, {})).toEqual(switched);
  });

  it("loses a socket that its next deployment has not, which is then enabled itself", () => {
    expect(linesOf(one, { ...deploymentOf(), generation: 2 }, { triggers: ["etcd.socket"] })).toEqual([
      "systemctl stop etcd.socket",
      "systemctl disable etcd.socket",
      "switch etcd to deployment 2",
      `remove ${units}/etcd.socket`,
      "systemctl daemon-reload",
      "systemctl enable etcd.service",
    ]);
  });

  it("leaves with it, the socket first", () => {
    expect(linesOf(one, undefined, { triggers: ["etcd.socket"], running: true })).toEqual([
      "systemctl stop etcd.socket",
      "systemctl stop etcd.service",
      "systemctl disable etcd.socket",
      `remove ${units}/etcd.socket`,
      `remove ${units}/etcd.service`,
      "systemctl daemon-reload",
      "remove current deployment etcd/1",
      "systemctl reset-failed etcd.service",
    ]);
  });

  it("is verified with its unit and its links", () => {
    const paths = installedFiles(one).map(({ path }) => path);
    expect(paths).toEqual([`${units}/etcd.service`, `${units}/etcd.socket`, `${units}/x.wants/etcd.socket`]);
  });
});

it("crun is told how many sockets there are: those behind the last reset", () => {
  const text = "[Socket]\nListenStream=1\nListenStream=\nListenStream=2\nListenDatagram=3\n";
  const planned = [{ deployed: trigger("socket"), directives: parseUnit(text, "x") }];
  expect(socketEnvironment(planned, "crun")).toEqual(["LISTEN_FDS=2"]);
  expect(socketEnvironment(planned, "runc")).toEqual([]);
  expect(socketEnvironment([], "crun")).toEqual([]);
});
