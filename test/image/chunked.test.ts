import { describe, expect, it } from "vitest";
import { parseTableOfContents, tableOfContents } from "../../src/image/chunked.ts";

const digest = `sha256:${"1".repeat(64)}` as const;
const layer = { mediaType: "application/vnd.oci.image.layer.v1.tar+zstd", digest, size: 1000 };
const annotated = (position: string, prefix = "io.github.containers.zstd-chunked", more: object = {}) => ({
  ...layer,
  annotations: { [`${prefix}.manifest-checksum`]: digest, [`${prefix}.manifest-position`]: position, ...more },
});

describe("the table of contents of a layer", () => {
  it.each(["io.github.containers.zstd-chunked", "io.containers.zstd-chunked"])("is where %s says", (prefix) => {
    const found = tableOfContents(annotated("800:100:5000:1", prefix));
    expect(found).toEqual({ from: 800, to: 900, digest, size: 5000, end: 792 });
  });

  it("has a tar-split before it, which is no part of the tar either", () => {
    const more = { "io.github.containers.zstd-chunked.tarsplit-position": "700:50:90" };
    expect(tableOfContents(annotated("800:100:5000:1", undefined, more))?.end).toBe(692);
  });

  it.each([
    ["no annotations", { ...layer, annotations: {} }],
    [
      "no checksum",
      annotated("800:100:5000:1", undefined, { "io.github.containers.zstd-chunked.manifest-checksum": "" }),
    ],
    ["another form", annotated("800:100:5000:2")],
    ["bytes behind the blob", annotated("950:100:5000:1")],
    ["bytes before the blob", annotated("3:100:5000:1")],
    ["more than it may expand to", annotated("800:100:67108865:1")],
    ["no numbers", annotated("800:-1:5000:1")],
    ["too few numbers", annotated("800:100")],
  ])("is not used with %s", (_, descriptor) => {
    expect(tableOfContents(descriptor)).toBeUndefined();
  });

  const parse = (entries: unknown) =>
    parseTableOfContents(Buffer.from(JSON.stringify({ version: 1, entries })), "x", 500);
  const file = { type: "reg", name: "./usr/a", size: 9, digest, offset: 10, endOffset: 20 };

  it("has files, without their further chunks and what has no content", () => {
    const others = [
      { type: "dir", name: "usr/" },
      { type: "reg", name: "empty" },
      { type: "chunk", name: "usr/a", offset: 15 },
      { type: "reg", name: "odd", size: 1.5, digest, offset: 30, endOffset: 40 },
      { ...file, name: "/b", offset: 20, endOffset: 500 },
    ];
    expect(parse([file, ...others])).toEqual([
      { path: "usr/a", size: 9, digest, from: 10, to: 20 },
      { path: "b", size: 9, digest, from: 20, to: 500 },
    ]);
  });

  it.each([
    ["overlap", [file, { ...file, offset: 19, endOffset: 30 }]],
    ["go backwards", [{ ...file, offset: 30, endOffset: 20 }]],
    ["go on behind the tar", [{ ...file, endOffset: 501 }]],
    ["are no list", "none"],
  ])("is not used when its files %s", (_, entries) => {
    expect(parse(entries)).toBeUndefined();
  });
});
