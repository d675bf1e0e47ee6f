import { describe, expect, it } from "vitest";
import { type HostUnits, providersOf } from "../../src/plan/members.ts";
import { userPlaces } from "../../src/plan/places.ts";
import { relationText } from "../../src/plan/relation-files.ts";
import { hostWith, member } from "../bed/members.ts";
import { kim } from "../bed/user.ts";

const lines = (text: string | undefined): readonly string[] => (text ?? "").split("\n").slice(1, -1);

describe("what keelson adds to a unit", () => {
  it("74: orders and wants what is required, under the names that are installed, and keeps it up", () => {
    const members = [
      member("etcd-v3", { provides: ["kv/etcd"] }),
      member("flanneld", { requires: ["kv/etcd"], before: ["runtime"] }),
      member("box", { provides: ["runtime"] }),
    ];
    expect(members.map((each) => lines(relationText(each, members, hostWith())))).toEqual([
      [],
      ["[Unit]", "After=etcd-v3.service", "Wants=etcd-v3.service", "Upholds=etcd-v3.service", "Before=box.service"],
      [],
    ]);
  });

  it("78: asks the manager that the unit is of whether what it requires is ready", () => {
    const all = [member("a", { requires: [{ name: "b", ready: true }] }), member("b")];
    const asked = (host: HostUnits): readonly string[] =>
      all.flatMap((each) => lines(relationText(each, all, host))).filter((line) => line.startsWith("ExecStartPre="));
    expect(asked(hostWith())).toEqual(["ExecStartPre=systemctl is-active --quiet b.service"]);
    const own = { ...hostWith(), places: userPlaces(kim) };
    expect(asked(own)).toEqual(["ExecStartPre=systemctl --user is-active --quiet b.service"]);
  });

  it("a hard requirement stops with what it requires", () => {
    const members = [member("a", { requires: [{ name: "b", hard: true }] }), member("b")];
    expect(lines(relationText(member("a", { requires: [{ name: "b", hard: true }] }), members, hostWith()))).toEqual([
      "[Unit]",
      "After=b.service",
      "Requires=b.service",
    ]);
  });

  it.each([
    ["[Service]\nExecStart=/bin/true\n", ["Restart=on-failure", "RestartSec=1s"]],
    ["[Service]\nRestart=always\n", ["RestartSec=1s"]],
    ["[Service]\nRestart=always\nRestartSec=5\n", []],
  ])("one that has to be ready is asked for before each start, until it is: %j", (text, restarts) => {
    const members = [member("b"), member("c", { provides: ["b"] })];
    const asking = member("a", { requires: [{ name: "b", ready: true }] }, text);
    expect(lines(relationText(asking, [...members, asking], hostWith()))).toEqual([
      ...["[Unit]", "After=c.service", "Wants=c.service", "Upholds=c.service", "StartLimitIntervalSec=0"],
      ...["", "[Service]", "ExecStartPre=systemctl is-active --quiet c.service", ...restarts],
    ]);
  });

  it("is nothing for a unit that requires only itself", () => {
    const own = member("a", { provides: ["x"], requires: ["x"], before: ["x"] });
    expect(relationText(own, [own], hostWith())).toBeUndefined();
  });
});

describe("what provides a name", () => {
  const members = [member("etcd"), member("other", { provides: ["kv/etcd", "db"] })];
  const host = hostWith({ "etcd.service": "", "docker.service": "", "containerd.service": "", "x.socket": "" });

  it.each([
    ["kv/etcd", members, ["other.service"]],
    ["kv/etcd", [member("etcd")], ["etcd.service"]],
    ["kv/etcd", [], ["etcd.service"]],
    ["runtime", [], ["docker.service", "containerd.service"]],
    ["x.socket", [], ["x.socket"]],
    ["kv/consul", members, []],
  ])("%s", (wanted, installed, units) => {
    expect(providersOf(wanted, installed, host)).toEqual(units);
  });
});
