import { describe, expect, it } from "vitest";
import { hostPlaces } from "../../src/plan/places.ts";
import { alsoInstalled, installLinks } from "../../src/plan/unit-links.ts";

const service = "[Service]\nExecStart=/bin/true\n";
const target = "/etc/systemd/system/etcd.service";
const paths = (text: string, unit = "etcd.service"): readonly string[] =>
  installLinks(unit, `${service}[Install]\n${text}\n`, hostPlaces).map(({ path }) =>
    path.replace("/etc/systemd/system/", ""),
  );

describe("installLinks", () => {
  it.each([
    ["WantedBy=multi-user.target", ["multi-user.target.wants/etcd.service"]],
    ["RequiredBy=docker.service", ["docker.service.requires/etcd.service"]],
    ["UpheldBy=a.target", ["a.target.upholds/etcd.service"]],
    ["Alias=kv.service", ["kv.service"]],
    ["WantedBy=a.target b.target", ["a.target.wants/etcd.service", "b.target.wants/etcd.service"]],
    ["WantedBy=a.target\nWantedBy=b.target", ["a.target.wants/etcd.service", "b.target.wants/etcd.service"]],
    ["WantedBy=a.target\nWantedBy=\nWantedBy=b.target", ["b.target.wants/etcd.service"]],
    [`WantedBy="a.target" 'b.target'`, ["a.target.wants/etcd.service", "b.target.wants/etcd.service"]],
    ["WantedBy=a.target \\\n  b.target", ["a.target.wants/etcd.service", "b.target.wants/etcd.service"]],
    ["WantedBy=a.target a.target", ["a.target.wants/etcd.service"]],
    ["WantedBy=dev-disk-by\\x2dlabel-x.device", ["dev-disk-by\\x2dlabel-x.device.wants/etcd.service"]],
    ["WantedBy=%p@1.service %N-x.target", ["etcd@1.service.wants/etcd.service", "etcd-x.target.wants/etcd.service"]],
    ["Alias=etcd.service", []],
    ["Also=other.service\nDefaultInstance=x", []],
  ])("%j makes the links %j", (text, expected) => {
    expect(paths(text)).toEqual(expected);
  });

  it("names the unit file as the target, wherever it is", () => {
    const text = `${service}[Install]\nWantedBy=a.target`;
    const path = "/etc/systemd/system/a.target.wants/etcd.service";
    expect(installLinks("etcd.service", text, hostPlaces)).toEqual([{ path, target }]);
    expect(installLinks("etcd.service", text, hostPlaces, "/usr/lib/systemd/system/etcd.service")).toEqual([
      { path, target: "/usr/lib/systemd/system/etcd.service" },
    ]);
  });

  it("reads settings of [Install] alone", () => {
    expect(installLinks("etcd.service", "[Service]\nWantedBy=a.target\n", hostPlaces)).toEqual([]);
  });

  it.each([
    "WantedBy=../../evil.target",
    "WantedBy=a/b.target",
    "WantedBy=multi-user",
    "Alias=/etc/passwd",
    "Alias=kv.socket",
    "WantedBy=%H.target",
    "WantedBy=a.target%",
    "RequiredBy=.target",
    `WantedBy=${"a".repeat(250)}.target`,
  ])("refuses %j", (text) => {
    expect(() => paths(text)).toThrow(expect.objectContaining({ code: "E_UNIT" }));
  });
});

describe("alsoInstalled", () => {
  it("gives what Also= names, but never the unit itself", () => {
    expect(alsoInstalled("a.service", "[Install]\nAlso=a.socket a.service\nAlso=b.service\n")).toEqual([
      "a.socket",
      "b.service",
    ]);
  });
});
