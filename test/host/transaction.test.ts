import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { openRoot } from "../../src/host/root.ts";
import { openSystemd } from "../../src/host/systemd.ts";
import { openRunningSystemd } from "../../src/host/systemd-running.ts";
import { readJournal, recover, type TransactionHost, transact } from "../../src/host/transaction.ts";
import { type FileState, type HostChange, invertChange } from "../../src/plan/change.ts";
import { hostPlaces } from "../../src/plan/places.ts";
import { besidePath } from "../../src/store/durable.ts";
import { pinDown } from "../bed/mount.ts";
import { runProgram, scratchDirectory } from "../bed/scratch.ts";

function openHost(): TransactionHost & { readonly directory: string } {
  const directory = scratchDirectory();
  for (const path of ["etc/systemd/system", "var/lib/keelson/deployments/x"])
    mkdirSync(join(directory, path), { recursive: true });
  return {
    directory,
    root: openRoot(directory),
    systemd: openSystemd(directory, hostPlaces),
    journal: "/var/lib/keelson/journal/transaction",
    deployments: "/var/lib/keelson/deployments",
    repository: "/var/lib/keelson/repo",
    watch: async () => {},
  };
}

const state = (text: string): FileState => ({
  mode: 0o640,
  sha256: createHash("sha256").update(text).digest("hex"),
  content: { kind: "text", text },
});
const listing = (directory: string): string => runProgram("find", [directory, "-printf", "%P %y %m %l\\n"]);
const record = (changes: readonly HostChange[], direction: "back" | "forward" = "back") =>
  ({ schema: 1, verb: "install", name: "x", direction, changes }) as const;

const changes: readonly HostChange[] = [
  { kind: "file", path: "/etc/first", to: state("first") },
  { kind: "directory", path: "/etc/x", to: 0o755 },
  { kind: "file", path: "/etc/x/a", to: state("a") },
  { kind: "symlink", path: "/etc/x/link", to: "a" },
  { kind: "current", name: "x", to: 1 },
];
/** A file stands where a directory is to be. */
const impossible: HostChange = { kind: "file", path: "/etc/x/a/b", to: state("b") };

describe("a transaction", () => {
  it("makes its changes and leaves no journal", async () => {
    const host = openHost();
    await transact(record(changes), host);
    expect(readFileSync(join(host.directory, "etc/x/a"), "utf8")).toBe("a");
    expect(readlinkSync(join(host.directory, "var/lib/keelson/deployments/x/current"))).toBe("1");
    expect(readJournal(host)).toBeUndefined();
  });

  it("has not begun when no manager answers that it is to tell", async () => {
    const host = openHost();
    const before = listing(host.directory);
    vi.stubEnv("DBUS_SYSTEM_BUS_ADDRESS", `unix:path=${host.directory}/no-bus`);
    onTestFinished(() => void vi.unstubAllEnvs());
    const systemd = openRunningSystemd(hostPlaces, async () => {});
    const told = transact(record([...changes, { kind: "reload" }]), { ...host, systemd });
    await expect(told).rejects.toMatchObject({ code: "E_SYSTEMD" });
    expect(listing(host.directory)).toBe(before);
    await transact(record(changes), { ...host, systemd });
  });

  it("puts no symlink where somebody has put a file meanwhile", async () => {
    const host = openHost();
    writeFileSync(join(host.directory, "etc/link"), "mine");
    const change: HostChange = { kind: "symlink", path: "/etc/link", to: "a" };
    await expect(transact(record([change]), host)).rejects.toMatchObject({ code: "E_FILE_EXISTS" });
    expect(readFileSync(join(host.directory, "etc/link"), "utf8")).toBe("mine");
  });

  it("takes everything back when one change fails, and throws why", async () => {
    const host = openHost();
    mkdirSync(join(host.directory, "var/lib/keelson/journal"));
    const before = listing(host.directory);
    await expect(transact(record([...changes, impossible]), host)).rejects.toThrow(/ENOTDIR/);
    expect(listing(host.directory)).toBe(before);
  });

  it("never overwrites what appeared in the meantime", async () => {
    const host = openHost();
    writeFileSync(join(host.directory, "etc/mine"), "mine");
    await expect(
      transact(record([{ kind: "file", path: "/etc/mine", to: state("theirs") }]), host),
    ).rejects.toMatchObject({ code: "E_FILE_EXISTS" });
    expect(readFileSync(join(host.directory, "etc/mine"), "utf8")).toBe("mine");
  });

  it("takes everything back when its end cannot be noted, and recovery notes it", async () => {
    const host = openHost();
    mkdirSync(join(host.directory, "var/lib/keelson/journal"));
    const before = listing(host.directory);
    let release = (): void => {};
    const sabotaged: TransactionHost = {
      ...host,
      watch: async () => {
        release = pinDown(join(host.directory, host.journal));
      },
    };
    const watch = { kind: "watch", unit: "x.service", others: [], name: "x", runtime: "runc", soak: 0 } as const;
    await expect(transact(record([...changes, watch]), sabotaged)).rejects.toMatchObject({
      code: "E_RECOVER",
      message: expect.stringMatching(/^install x is half done: EBUSY/),
    });
    release();
    expect(await recover(host)).toMatchObject({ direction: "back" });
    expect(listing(host.directory)).toBe(before);
  });

  it("writes nothing where the host already is as a change would have it", async () => {
    const host = openHost();
    await transact(record(changes), host);
    const before = runProgram("find", [host.directory, "-printf", "%P %i\\n"]);
    for (const text of ["a", "b"]) {
      const change: HostChange = { kind: "file", path: "/etc/x/a", from: state("a"), to: state(text) };
      await transact(record(text === "a" ? [change, ...changes] : [invertChange(change)]), host);
    }
    expect(runProgram("find", [host.directory, "-printf", "%P %i\\n"])).toBe(before);
  });

  it("takes away only what still is as it was written", async () => {
    const host = openHost();
    await transact(record(changes), host);
    writeFileSync(join(host.directory, "etc/x/a"), "edited");
    await transact(
      record([
        { kind: "file", path: "/etc/x/a", from: state("a") },
        { kind: "directory", path: "/etc/x", from: 0o755 },
      ]),
      host,
    );
    expect(readFileSync(join(host.directory, "etc/x/a"), "utf8")).toBe("edited");
  });
});

describe("25: recovery", () => {
  /** The host as a crash leaves it that came after `done` changes, in the middle of the next. */
  async function crashed(
    done: number,
    direction: "back" | "forward",
  ): Promise<{ host: ReturnType<typeof openHost>; before: string }> {
    const host = openHost();
    mkdirSync(join(host.directory, "var/lib/keelson/journal"));
    const before = listing(host.directory);
    await transact(record(changes.slice(0, done)), host);
    const next = changes[done];
    if ((next?.kind === "file" || next?.kind === "symlink") && existsSync(dirname(join(host.directory, next.path)))) {
      writeFileSync(besidePath(join(host.directory, next.path)), "half");
    }
    writeFileSync(
      join(host.directory, "var/lib/keelson/journal/transaction"),
      JSON.stringify(record(changes, direction)),
    );
    return { host, before };
  }

  it.each([0, 1, 2, 3, 4, 5])("after %i changes of an installation leads back to how it was", async (done) => {
    const { host, before } = await crashed(done, "back");
    expect(await recover(host)).toMatchObject({ direction: "back" });
    expect(listing(host.directory)).toBe(before);
  });

  it.each([0, 1, 2, 3, 4, 5])(
    "after %i changes of what is to be finished leads on to how it was to be",
    async (done) => {
      const { host } = await crashed(done, "forward");
      const whole = openHost();
      mkdirSync(join(whole.directory, "var/lib/keelson/journal"));
      await transact(record(changes), whole);
      await recover(host);
      expect(listing(host.directory)).toBe(listing(whole.directory));
    },
  );

  it("does nothing without a journal", async () => {
    expect(await recover(openHost())).toBeUndefined();
  });

  it("keeps the journal and says so when what is half done can be neither finished nor taken back", async () => {
    const host = openHost();
    mkdirSync(join(host.directory, "var/lib/keelson/journal"));
    symlinkSync("nowhere", join(host.directory, "etc/x"));
    writeFileSync(
      join(host.directory, "var/lib/keelson/journal/transaction"),
      JSON.stringify(record(changes, "forward")),
    );
    await expect(recover(host)).rejects.toMatchObject({ code: "E_RECOVER" });
    expect(readJournal(host)).toBeDefined();
  });
});
