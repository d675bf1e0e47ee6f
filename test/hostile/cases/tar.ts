import { base256, endMarker, gnuLong, paxHeader, paxRecord, tarEntry } from "../../bed/tar-writer.ts";
import { casesOf, exactly, imageOf, refused } from "../case.ts";
import { directory, file, layer, symlink, withLongName, withPax } from "../entries.ts";
import { implied, isDirectory, isFile, isLink } from "../rows.ts";

const damaged = (words: RegExp) => refused("E_LAYER", words);
/** A block that is a header, and data. */
const inner = file("inner", "", { mode: 0o4755 });
const pax = (text: string): Buffer => Buffer.concat([tarEntry({ type: "x", name: "PaxHeaders/f" }, text), file("f")]);

/** Archives that are read differently by different readers, or should not be read at all. */
export const tars = casesOf(
  "2.4",
  [
    "a header hidden in data by a PAX size",
    imageOf(layer(withPax({ size: "512" }, Buffer.concat([file("f", "", { size: 0 }), inner])))),
    exactly({ f: isFile(inner) }),
  ],
  [
    "data that a PAX size makes a header",
    imageOf(layer(withPax({ size: "0" }, Buffer.concat([file("f", "", { size: 512 }), inner])))),
    exactly({ f: isFile(), inner: isFile("", { mode: 0o4755 }) }),
  ],
  [
    "a PAX path before a GNU long name",
    imageOf(layer(Buffer.concat([paxHeader([["path", "pax"]]), gnuLong("L", "gnu"), file("f", "x")]))),
    exactly({ pax: isFile("x") }),
  ],
  [
    "a PAX record does not reach beyond its entry",
    imageOf(layer(withPax({ path: "a", mtime: "7" }, file("x", "1")), file("b", "2"))),
    exactly({ a: isFile("1", { mtime: 7 }), b: isFile("2") }),
  ],
  ["a size of less than nothing", imageOf(layer(file("f", "", { size: base256(-512n, 12) }))), damaged(/size is -512/)],
  ["a size of 2^63", imageOf(layer(file("f", "", { size: base256(2n ** 63n, 12) }))), damaged(/size is too large/)],
  ["a size of 2^53", imageOf(layer(withPax({ size: "9007199254740992" }, file("f")))), damaged(/size is/)],
  ["a size of letters", imageOf(layer(file("f", "", { size: "0000012x" }))), damaged(/not octal/)],
  [
    "a size beyond the archive's end",
    imageOf(layer(file("f", "", { size: 1_000_000 }))),
    damaged(/ends inside an entry/),
  ],
  [
    "a size of 8 TiB",
    imageOf(layer(file("f", "", { size: base256(2n ** 43n, 12) }))),
    refused("E_LIMIT", /larger than/),
  ],
  [
    "a directory and a symlink with sizes",
    imageOf(layer(directory("d", { size: 512 }), symlink("l", "t", { size: 512 }), file("f", "x"))),
    exactly({ d: isDirectory(), l: isLink("t"), f: isFile("x") }),
  ],
  [
    "a directory in the form of v7 that has content",
    imageOf(layer(file("d/", "x", { form: "v7" }))),
    damaged(/directory has content/),
  ],
  ["a PAX record that is shorter than it says", imageOf(layer(pax("30 path=a\n"))), damaged(/length is wrong/)],
  ["a PAX record that is longer than it says", imageOf(layer(pax("5 path=a\n"))), damaged(/length is wrong/)],
  ["a PAX record of no length", imageOf(layer(pax("0 path=a\n"))), damaged(/length is wrong/)],
  ["a PAX record without a line break", imageOf(layer(pax("9 path=ab"))), damaged(/length is wrong/)],
  ["a PAX record without a key", imageOf(layer(pax("5 =a\n"))), damaged(/no key/)],
  ["a PAX record of letters", imageOf(layer(pax("x path=a\n"))), damaged(/no length/)],
  [
    "a good PAX record and a bad one",
    imageOf(layer(pax(`${paxRecord("path", "a")}99 mtime=1\n`))),
    damaged(/length is wrong/),
  ],
  [
    "PAX records called as what objects have",
    imageOf(layer(withPax({ __proto__x: "1", constructor: "2", hasOwnProperty: "3" }, file("f", "x")))),
    exactly({ f: isFile("x") }),
  ],
  [
    "a PAX header of 2 MiB",
    imageOf(layer(withPax({ comment: "x".repeat(2 ** 21) }, file("f")))),
    refused("E_LIMIT", /larger than 1048576/),
  ],
  [
    "a GNU long name of 2 MiB",
    imageOf(layer(withLongName("n".repeat(2 ** 21), file("f")))),
    refused("E_LIMIT", /larger than 1048576/),
  ],
  [
    "a GNU long name of 5,000 bytes",
    imageOf(layer(withLongName("n/".repeat(2500), file("f")))),
    damaged(/longer than 4095/),
  ],
  [
    "a PAX header of 8 GiB that is not there",
    imageOf(layer(tarEntry({ type: "x", size: base256(2n ** 33n, 12) }))),
    refused("E_LIMIT", /larger than 1048576/),
  ],
  [
    "a global header with a comment",
    imageOf(layer(paxHeader([["comment", "0123abcd"]], "g"), file("f", "x"))),
    exactly({ f: isFile("x") }),
  ],
  [
    "a global header that names every entry",
    imageOf(layer(paxHeader([["path", "etc/shadow"]], "g"), file("f"))),
    damaged(/global header sets path/),
  ],
  [
    "a global header that sizes every entry",
    imageOf(layer(paxHeader([["size", "0"]], "g"), file("f"))),
    damaged(/global header sets size/),
  ],
  [
    "a PAX header that nothing follows",
    imageOf(layer(file("f"), paxHeader([["path", "a"]]))),
    damaged(/no entry follows/),
  ],
  ["a header cut short", imageOf(file("f").subarray(0, 300)), damaged(/ends inside an entry/)],
  ["a content cut short", imageOf(file("f", "x".repeat(2000)).subarray(0, 1024)), damaged(/ends inside an entry/)],
  ["an archive without its end", imageOf(file("f", "x")), exactly({ f: isFile("x") })],
  [
    "an archive with half its end",
    imageOf(Buffer.concat([file("f", "x"), endMarker.subarray(512)])),
    exactly({ f: isFile("x") }),
  ],
  ["an archive of nothing", imageOf(Buffer.alloc(0)), exactly({})],
  [
    "an entry behind a lone block of zeros",
    imageOf(layer(file("a"), Buffer.alloc(512), file("b"))),
    damaged(/lone block of zeros/),
  ],
  [
    "entries behind the end",
    imageOf(layer(file("a", "x"), endMarker, file("b", "", { mode: 0o4755 }))),
    exactly({ a: isFile("x") }),
  ],
  [
    "noise behind the end",
    imageOf(Buffer.concat([layer(file("a", "x")), Buffer.alloc(700, 0xee)])),
    exactly({ a: isFile("x") }),
  ],
  ["a wrong checksum", imageOf(layer(file("f", "", { checksum: 1 }))), damaged(/checksum/)],
  ["a checksum of signed bytes", imageOf(layer(signed())), exactly({ "caf\xe9": isFile("x") })],
  ["text", imageOf(Buffer.from("this is no archive\n".repeat(60))), damaged(/not octal|checksum/)],
  ["noise", imageOf(Buffer.from(Array.from({ length: 2048 }, (_, at) => (at * 7919 + 13) % 251))), damaged(/./)],
  ["a type that nobody knows", imageOf(layer(file("f", "", { type: "Z" }))), damaged(/unknown type/)],
  ["a volume header", imageOf(layer(file("f", "", { type: "V", form: "gnu" }), file("g"))), damaged(/unknown type/)],
  ["a continued file", imageOf(layer(file("f", "x", { type: "M", form: "gnu" }))), damaged(/unknown type/)],
  [
    "a directory of GNU dumps",
    imageOf(layer(file("d/", "Yf\0\0", { type: "D", form: "gnu" }))),
    damaged(/unknown type/),
  ],
  ["a contiguous file", imageOf(layer(file("f", "x", { type: "7" }))), exactly({ f: isFile("x") })],
  [
    "the form of v7",
    imageOf(layer(file("f", "x", { form: "v7", type: "\0" }), file("d/", "", { form: "v7", type: "\0", mode: 0o700 }))),
    exactly({ f: isFile("x"), d: isDirectory({ mode: 0o700 }) }),
  ],
  [
    "numbers with spaces before and behind",
    imageOf(layer(file("f", "x", { mode: " 644 \0", uid: "   7 \0", size: "          1 " }))),
    exactly({ f: isFile("x", { uid: 7 }) }),
  ],
  [
    "a name twice",
    imageOf(layer(file("f", "1"), file("f", "2", { mode: 0o600 }))),
    exactly({ f: isFile("2", { mode: 0o600 }) }),
  ],
  [
    "a name that is a file, a directory and a file",
    imageOf(layer(file("f", "1"), directory("f"), file("f/g"), file("f", "2"))),
    exactly({ f: isFile("2") }),
  ],
  [
    "a name below a file",
    imageOf(layer(file("f", "1"), file("f/g", "2"))),
    exactly({ f: implied, "f/g": isFile("2") }),
  ],
  [
    "names of 100, 155 and 256 bytes of ustar",
    imageOf(layer(file("n".repeat(100)), file("m".repeat(90), "", { prefix: "p".repeat(155) }))),
    exactly({
      ["n".repeat(100)]: isFile(),
      ["p".repeat(155)]: implied,
      [`${"p".repeat(155)}/${"m".repeat(90)}`]: isFile(),
    }),
  ],
  [
    "times with fractions, before 1970 and of the far future",
    imageOf(
      layer(
        withPax({ mtime: "-1.5" }, file("a", "1")),
        withPax({ mtime: "1700000000.250001" }, file("b", "2")),
        file("c", "3", { mtime: base256(-86_400n, 12) }),
        withPax({ mtime: "4294967296.5" }, directory("d")),
      ),
    ),
    exactly({
      a: isFile("1", { mtime: -1.5 }),
      b: isFile("2", { mtime: 1_700_000_000.250001 }),
      c: isFile("3", { mtime: -86_400 }),
      d: isDirectory({ mtime: 4_294_967_296.5 }),
    }),
  ],
  ["a time that is none", imageOf(layer(withPax({ mtime: "yesterday" }, file("f")))), damaged(/not a time/)],
);

/** An entry whose checksum counts bytes above 127 as negative, as some old writers had it. */
function signed(): Buffer {
  const entry = file("caf\xe9", "x");
  const sum = Number.parseInt(entry.toString("latin1", 148, 155), 8) - 256;
  return file("caf\xe9", "x", { checksum: sum });
}
