import { expect, it } from "vitest";
import type { HostFacts } from "../../src/plan/facts.ts";
import { factsAfter } from "../../src/plan/facts-after.ts";
import { textState } from "../../src/plan/file-state.ts";
import { hostPlaces } from "../../src/plan/places.ts";

const there = {
  places: hostPlaces,
  at: (path: string) => ({ kind: "symlink", target: path }) as const,
  textAt: (path: string) => `old ${path}`,
  unitText: (unit: string) => `old ${unit}`,
} as unknown as HostFacts;

it("the host is what the changes make of it, and elsewhere what it was", () => {
  const [first, second] = [textState("first"), textState("second", 0o600)];
  const unit = "/etc/systemd/system/new.service";
  const facts = factsAfter(there, [
    { kind: "file", path: "/twice", to: first },
    { kind: "file", path: "/twice", from: first, to: second },
    { kind: "file", path: "/gone", from: first },
    { kind: "file", path: unit, to: first },
    { kind: "file", path: "/etc/systemd/system/old.service", from: first },
    { kind: "symlink", path: "/link", to: "there" },
    { kind: "symlink", path: "/linkless", from: "there" },
    { kind: "directory", path: "/made", to: 0o700 },
    { kind: "directory", path: "/unmade", from: 0o700 },
    { kind: "tmpfiles-create", path: "/etc/tmpfiles.d/a.conf", made: [{ path: "/var/a", mode: 0o755 }] },
    { kind: "reload" },
  ]);
  expect(facts.at("/twice")).toEqual({ kind: "file", mode: 0o600, sha256: second.sha256 });
  expect([facts.at("/gone"), facts.at("/linkless"), facts.at("/unmade")]).toEqual(Array(3).fill({ kind: "missing" }));
  expect([facts.at("/link"), facts.at("/made"), facts.at("/var/a"), facts.at("/else")]).toEqual([
    { kind: "symlink", target: "there" },
    { kind: "directory", mode: 0o700 },
    { kind: "directory", mode: 0o755 },
    { kind: "symlink", target: "/else" },
  ]);
  expect(["/twice", "/gone", "/link", "/else"].map(facts.textAt)).toEqual([
    "second",
    undefined,
    undefined,
    "old /else",
  ]);
  expect(["new.service", "old.service", "other.service"].map(facts.unitText)).toEqual([
    "first",
    undefined,
    "old other.service",
  ]);
});

it("a directory that systemd-tmpfiles will make is not there for a file yet, however many ask for it", () => {
  const facts = { ...there, at: (path: string) => ({ kind: path === "/etc" ? "directory" : "missing", mode: 0o755 }) };
  const asked = ["/etc/tmpfiles.d/a.conf", "/etc/tmpfiles.d/b.conf"].map((path) => ({
    kind: "tmpfiles-create" as const,
    path,
    made: ["/etc", "/etc/a"].map((made) => ({ path: made, mode: 0o755 })),
  }));
  const after = factsAfter(facts as unknown as HostFacts, asked);
  expect(after.at("/etc/a")).toEqual({ kind: "directory", mode: 0o755, awaited: true });
  expect(after.at("/etc")).toEqual({ kind: "directory", mode: 0o755 });
  const made = [...asked, { kind: "directory" as const, path: "/etc/a", to: 0o700 }];
  expect(factsAfter(facts as unknown as HostFacts, made).at("/etc/a")).toEqual({ kind: "directory", mode: 0o700 });
});
