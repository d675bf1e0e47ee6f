import { describe, expect, it } from "vitest";
import { formatSize, formatTable, type OutputOptions, openOutput } from "../src/output.ts";

function output(options: Partial<OutputOptions>, terminal = false) {
  const written = { out: "", err: "" };
  const stream = (name: "out" | "err") => ({
    isTTY: terminal,
    columns: 80,
    write(text: string): boolean {
      written[name] += text;
      return true;
    },
  });
  return {
    written,
    ...openOutput({ json: false, quiet: false, progress: true, user: false, ...options }, stream("out"), stream("err")),
  };
}

describe("the output", () => {
  it("gives answers to standard output and everything else to standard error", () => {
    const { written, answer, message, warn } = output({});
    message("working");
    warn("careful");
    answer({ a: 1 }, ["done"]);
    expect(written).toEqual({ out: "done\n", err: "working\nwarning: careful\n" });
  });

  it("is one JSON document with --json", () => {
    const { written, answer } = output({ json: true });
    answer({ a: [1] }, ["done"]);
    expect(JSON.parse(written.out)).toEqual({ a: [1] });
  });

  it("keeps to answers and warnings with --quiet", () => {
    const { written, message, warn, progress } = output({ quiet: true }, true);
    message("working");
    warn("careful");
    const bar = progress("layer", 10);
    bar.advance(10);
    bar.finish();
    expect(written.err).toBe("warning: careful\n");
  });

  it("draws a bar on a terminal and wipes it before the next line", () => {
    const { written, progress } = output({}, true);
    const bar = progress("layer 1/1", 2_000_000);
    bar.advance(1_000_000);
    bar.finish();
    expect(written.err).toMatch(/^\r\u001b\[Klayer 1\/1 \[#+\.+\] 1\.0 MB\/2\.0 MB\r\u001b\[Klayer 1\/1: 1\.0 MB\n$/);
  });

  it("draws one bar for all that is under way, without what failed", () => {
    const { written, progress } = output({}, true);
    const [one, two, three] = [progress("one", 1000), progress("two", 3000), progress("three", 9000)];
    three?.abandon();
    one?.finish();
    const four = progress("four", 1000);
    two?.advance(2000);
    four.finish();
    expect(written.err).toMatch(/^one: 0 B\n\r\u001b\[K2 at once \[#+\.+\] 2\.0 kB\/4\.0 kB\r\u001b\[Kfour: 0 B\n$/);
  });

  it("writes a line for each finished piece where there is no terminal, and none with --no-progress", () => {
    for (const [progress, text] of [
      [true, "layer: 10 B\n"],
      [false, ""],
    ] as const) {
      const { written, ...each } = output({ progress });
      const piece = each.progress("layer", 10);
      piece.advance(10);
      piece.finish();
      expect(written.err).toBe(text);
    }
  });

  it("never passes an image's control characters on to a terminal", () => {
    const { written, answer, message } = output({});
    message("name \u001b[2J");
    answer({}, ["other \u0007 \u009b", "-\ta diff"]);
    expect(written.err + written.out).toBe("name \\u001b[2J\nother \\u0007 \\u009b\n-\ta diff\n");
  });
});

describe("figures and tables", () => {
  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.0 kB"],
    [12_345_678, "12.3 MB"],
    [5e15, "5000.0 TB"],
  ])("%d bytes are %s", (bytes, text) => {
    expect(formatSize(bytes)).toBe(text);
  });

  it("sets columns as wide as their widest cell, without blanks at the end", () => {
    expect(
      formatTable(
        ["A", "LONG"],
        [
          ["wide cell", "x"],
          ["y", ""],
        ],
      ),
    ).toEqual(["A          LONG", "wide cell  x", "y"]);
  });
});
