import type { FakeRegistry } from "../fakes/registry.ts";
import type { Row } from "./rows.ts";

/** One image that is hostile, or odd and right, and what has to come of it. */
export interface HostileCase {
  /** A sentence, the only one of its name. */
  readonly name: string;
  /**
   * The class of attack or rule: names and links, whiteouts, inodes, tar, compression, manifests, network, host side, layers.
   */
  readonly class: CaseClass;
  readonly build: (place: Place) => BuiltImage;
  readonly expect: Expectation;
}

export const caseClasses = {
  "2.1": "names and links",
  "2.2": "whiteouts",
  "2.3": "inodes",
  "2.4": "tar",
  "2.5": "compression",
  "2.6": "manifests and transports",
  "2.7": "registries",
  "2.8": "host side",
  "3": "rules of layers",
} as const;
export type CaseClass = keyof typeof caseClasses;

/**
 * `exact`: the tree on disk is this, of every path all that stat(2), readlink(2) and listxattr(2) tell. `refused`: the code,
 * and words of the message. `contained`: this tree, or a refusal, where the specification leaves both open; keelson gives the
 * tree.
 */
export type Expectation =
  | { readonly kind: "exact" | "contained"; readonly tree: Tree }
  | { readonly kind: "refused"; readonly code: string; readonly words: RegExp };

/** Paths, one character a byte, to rows; the root, "", only where a case says something of it. */
export type Tree = Readonly<Record<string, Row>>;

/** Where a case happens. */
export interface Place {
  /** A directory beside everything else that no image may touch; it has `secret`, `kept/file` and a link to itself. */
  readonly outside: string;
  /** Where files of the case may be put. */
  readonly scratch: string;
}

export interface BuiltImage {
  /** Lowest first: the tar, which is gzipped; or a blob and what the documents say of it. */
  readonly layers?: readonly (Buffer | LayerBlob)[];
  /** Changes what the documents say; a document that is bytes is taken as it is. */
  readonly config?: (document: Document) => Document | Buffer;
  readonly manifest?: (document: Document) => Document | Buffer;
  /** `manifest` describes the image; the document is the layout's index.json. */
  readonly index?: (document: Document, addBlob: AddBlob) => Document | Buffer;
  /** Puts other files over the layout when it stands. */
  readonly arrange?: (layout: string, blobs: Blobs) => void;
  /** Instead of the layout. */
  readonly reference?: (layout: string) => string;
  /** Serves the image from a registry that does this, instead of from the layout. */
  readonly registry?: (fake: FakeRegistry, blobs: Blobs) => void;
  /** Of keelson.conf. */
  readonly settings?: string;
  /** Installs under this name instead of only pulling; `set` as with --set. */
  readonly install?: { readonly name: string; readonly set?: readonly string[] };
  /** False where ostree itself cannot read what the specification allows. */
  readonly ostree?: false;
  /** Prepares the root that it is installed into. */
  readonly prepare?: (root: string) => void;
}

export interface LayerBlob {
  readonly blob: Buffer;
  /** What it unpacks to, for the diff id. */
  readonly tar: Buffer;
  readonly mediaType?: string;
}

// biome-ignore lint/suspicious/noExplicitAny: cases put anything into documents
export type Document = Record<string, any>;
export type AddBlob = (bytes: Buffer) => { readonly digest: string; readonly size: number };

/** Digests of what stands in the layout. */
export interface Blobs {
  readonly layers: readonly string[];
  readonly config: string;
  readonly manifest: string;
}

/** The whole tree is this. */
export function exactly(tree: Tree): Expectation {
  return { kind: "exact", tree };
}

/** This tree, or a refusal. */
export function contained(tree: Tree): Expectation {
  return { kind: "contained", tree };
}

export function refused(code: string, words: RegExp): Expectation {
  return { kind: "refused", code, words };
}

/** Cases of one class: a sentence, the image, what has to come of it. */
export function casesOf(
  of: CaseClass,
  ...rows: readonly (readonly [name: string, image: BuiltImage | ((place: Place) => BuiltImage), expect: Expectation])[]
): readonly HostileCase[] {
  return rows.map(([name, image, expect]) => ({
    name,
    class: of,
    expect,
    build: typeof image === "function" ? image : () => image,
  }));
}

/** An image of these layers, lowest first, and nothing odd but them. */
export function imageOf(...layers: readonly (Buffer | LayerBlob)[]): BuiltImage {
  return { layers };
}
