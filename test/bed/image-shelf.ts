import { afterAll } from "vitest";
import { buildImage, type TestImage } from "./images.ts";

/** Builds images that are gone when the tests of the file are over. */
export interface ImageShelf {
  build(...parameters: Parameters<typeof buildImage>): Promise<TestImage>;
}

export function openShelf(): ImageShelf {
  const images: TestImage[] = [];
  afterAll(() => Promise.all(images.map((image) => image.remove())));
  return {
    async build(...parameters) {
      const image = await buildImage(...parameters);
      images.push(image);
      return image;
    },
  };
}
