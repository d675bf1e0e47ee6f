import { configTemplate, serviceTemplate } from "../../bed/etcd-like.ts";
import { paxHeader } from "../../bed/tar-writer.ts";
import { type BuiltImage, casesOf, exactly, imageOf, refused } from "../case.ts";
import { directory, file, layer } from "../entries.ts";
import { isDirectory, isFile } from "../rows.ts";

const tooMuch = (words: RegExp) => refused("E_LIMIT", words);
const three = layer(file("a"), file("b"), file("c"));
const tenKiB = layer(file("f", Buffer.alloc(10_240 - 512 - 1024)));
const comment = (size: number): Buffer =>
  layer(paxHeader([["comment", "x".repeat(size - " comment=\n".length - 4)]]), file("f", "x"));

function withSettings(settings: string, built: Buffer): BuiltImage {
  return { ...imageOf(built), settings };
}

const template = (size: number): BuiltImage => {
  const files = {
    "exports/service.template": `${serviceTemplate}#`.padEnd(size - 1, "x").concat("\n"),
    "exports/config.json.template": configTemplate(),
  };
  return {
    install: { name: "limit", set: ["PORT=1", "RECEIVER=x"] },
    settings: "template_size = 2000\n",
    layers: [layer(directory("exports"), ...Object.entries(files).map(([name, content]) => file(name, content)))],
  };
};

/** What may be set, on either side of where it is set. */
export const limits = [
  ...casesOf(
    "2.5",
    [
      "as many entries as a layer may have",
      withSettings("layer_entries = 3\n", three),
      exactly({ a: isFile(), b: isFile(), c: isFile() }),
    ],
    ["an entry more than a layer may have", withSettings("layer_entries = 2\n", three), tooMuch(/more than 2 entries/)],
    [
      "as many bytes as a layer may expand to",
      withSettings("layer_size = 10240\n", tenKiB),
      exactly({ f: isFile(Buffer.alloc(10_240 - 512 - 1024)) }),
    ],
    [
      "a byte more than a layer may expand to",
      withSettings("layer_size = 10239\n", tenKiB),
      tooMuch(/more than 10239/),
    ],
  ),
  ...casesOf(
    "2.4",
    [
      "a header as large as it may be",
      withSettings("header_size = 1200\n", comment(1200)),
      exactly({ f: isFile("x") }),
    ],
    [
      "a header a byte larger than it may be",
      withSettings("header_size = 1199\n", comment(1200)),
      tooMuch(/1199 bytes/),
    ],
  ),
  ...casesOf(
    "2.8",
    [
      "a template as large as it may be",
      template(2000),
      exactly({
        exports: isDirectory(),
        "exports/service.template": isFile(`${serviceTemplate}#`.padEnd(1999, "x").concat("\n")),
        "exports/config.json.template": isFile(configTemplate()),
      }),
    ],
    ["a template a byte larger than it may be", template(2001), tooMuch(/larger than 2000 bytes/)],
  ),
];
