import type { IncomingMessage, ServerResponse } from "node:http";
import { type FakeRegistry, refuse } from "../../fakes/registry.ts";
import { type Blobs, type BuiltImage, casesOf, exactly, refused } from "../case.ts";
import { file, layer } from "../entries.ts";
import { isFile } from "../rows.ts";

const tar = layer(file("f", "x".repeat(4000)));
const right = exactly({ f: isFile("x".repeat(4000)) });
const digest = refused("E_DIGEST", /./);

type Answer = (request: IncomingMessage, response: ServerResponse, fake: FakeRegistry, blobs: Blobs) => void;

/** The first `times` requests for what `kind` names are answered so. */
function answering(
  kind: "layers" | "config" | "manifest",
  answer: Answer,
  times = Number.POSITIVE_INFINITY,
): BuiltImage {
  return {
    layers: [tar],
    registry: (fake, blobs) => {
      let count = 0;
      const path = kind === "manifest" ? "/manifests/" : kind === "config" ? blobs.config : (blobs.layers[0] ?? "");
      fake.fault = (request, response) => {
        if (request.url?.includes(path) !== true || count++ >= times) return false;
        answer(request, response, fake, blobs);
        return true;
      };
    },
  };
}

function bytesOf(fake: FakeRegistry, blobs: Blobs): Buffer {
  return fake.blobs.get(blobs.layers[0] ?? "") ?? Buffer.alloc(0);
}

function to(location: string): Answer {
  return (_, response) => void response.writeHead(307, { location }).end();
}

/** Registries that send something else than what was asked for. */
export const registries = casesOf(
  "2.7",
  ["a registry that does nothing wrong", { layers: [tar], registry: () => undefined }, right],
  [
    "a layer with a byte changed",
    answering("layers", (_, response, fake, blobs) => {
      const bytes = Buffer.from(bytesOf(fake, blobs));
      bytes[bytes.length - 5] = (bytes.at(-5) ?? 0) ^ 1;
      response.writeHead(200).end(bytes);
    }),
    refused("E_DIGEST", /have the digest/),
  ],
  [
    "a layer cut short that says so",
    answering(
      "layers",
      (_, response, fake, blobs) => void response.writeHead(200).end(bytesOf(fake, blobs).subarray(0, -9)),
    ),
    refused("E_REGISTRY", /./),
  ],
  [
    "a layer with more behind it",
    answering(
      "layers",
      (_, response, fake, blobs) =>
        void response.writeHead(200).end(Buffer.concat([bytesOf(fake, blobs), Buffer.alloc(9)])),
    ),
    digest,
  ],
  [
    "a layer that does not end",
    answering("layers", (_, response, fake, blobs) => {
      const more = (error?: Error | null): void => {
        if (!error) response.write(Buffer.alloc(65_536), more);
      };
      response.writeHead(200).write(bytesOf(fake, blobs), more);
    }),
    digest,
  ],
  [
    "a connection that breaks once within a layer",
    answering(
      "layers",
      (_, response, fake, blobs) => {
        const bytes = bytesOf(fake, blobs);
        response.writeHead(200, { "content-length": bytes.length });
        response.write(bytes.subarray(0, 20), () => response.destroy());
      },
      1,
    ),
    right,
  ],
  [
    "a layer encoded once more",
    answering(
      "layers",
      (_, response, fake, blobs) =>
        void response.writeHead(200, { "content-encoding": "gzip" }).end(bytesOf(fake, blobs)),
    ),
    refused("E_REGISTRY", /./),
  ],
  [
    "a layer that is not there",
    answering("layers", (_, response) => void refuse(response, 404, "BLOB_UNKNOWN")),
    refused("E_REGISTRY", /./),
  ],
  [
    "a page instead of a manifest",
    answering(
      "manifest",
      (_, response) => void response.writeHead(200, { "content-type": "text/html" }).end("<html>log in</html>"),
    ),
    refused("E_REGISTRY", /./),
  ],
  [
    "a manifest of another type than it says",
    answering(
      "manifest",
      (_, response, fake) =>
        void response
          .writeHead(200, { "content-type": "application/vnd.oci.image.index.v1+json" })
          .end(fake.manifests.get("latest")?.bytes),
    ),
    refused("E_MANIFEST", /./),
  ],
  [
    "a manifest without end",
    answering(
      "manifest",
      (_, response) =>
        void response
          .writeHead(200, { "content-type": "application/vnd.oci.image.manifest.v1+json" })
          .end("{".repeat(5 * 2 ** 20)),
    ),
    refused("E_LIMIT", /./),
  ],
  [
    "a configuration of another digest",
    answering("config", (_, response) => void response.writeHead(200).end("{}")),
    refused("E_REGISTRY", /./),
  ],
  [
    "a redirect in a circle",
    answering("layers", (request, response) => void response.writeHead(307, { location: request.url }).end()),
    refused("E_REGISTRY", /more than 5 redirects/),
  ],
  [
    "a redirect to a file of the host",
    answering("layers", to("file:///etc/passwd")),
    refused("E_REGISTRY", /redirect/),
  ],
  ["a redirect to what is no URL", answering("layers", to("http://[")), refused("E_REGISTRY", /redirect/)],
  [
    "an error with control sequences",
    answering(
      "manifest",
      (_, response) =>
        void response
          .writeHead(403, { "content-type": "application/json" })
          .end(JSON.stringify({ errors: [{ code: "DENIED", message: "\x1b[2J\r\nno" }] })),
    ),
    refused("E_AUTH", /\\u001b\[2J/),
  ],
);
