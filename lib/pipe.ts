import { object, size } from './internal/arguments.js';
import { endOptions, type EndOptions, type PipeOptions } from './pipe.options.js';
import { PipeReader } from './pipe.reader.js';
import { PipeWriter } from './pipe.writer.js';
import { O_CLOEXEC, O_DIRECT } from './sys/descriptor.js';
import { pipe2 } from './sys/pipe.js';

/**
 * A pipe of the kernel: bytes go in at one end and come out at the other, in their order. A child process that is given one
 * end's descriptor uses it as its own.
 *
 * @example
 * const { reader, writer } = Pipe.create();
 * const child = spawn('wc', ['-c'], { stdio: [reader.fd, 'inherit', 'inherit'] });
 * reader.close(); // The child has its own copy by now.
 * await writer.write('hello');
 * writer.close(); // End of file for the child.
 * @see https://man7.org/linux/man-pages/man7/pipe.7.html
 */
export class Pipe<T = Buffer> implements Disposable {
  readonly reader: PipeReader<T>;
  readonly writer: PipeWriter<T>;

  private constructor([read, write]: [number, number], options: EndOptions<T>) {
    this.reader = new PipeReader<T>(read, options);
    this.writer = new PipeWriter<T>(write, options);
  }

  /**
   * pipe2(2): a new pipe. Its descriptors are close-on-exec. Never waits.
   *
   * @throws IpcError EMFILE, ENFILE; EPERM (a capacity over fs.pipe-max-size, without CAP_SYS_RESOURCE)
   */
  static create(options?: PipeOptions<Buffer> & { codec?: undefined }): Pipe;
  static create(options: PipeOptions<string> & { codec: 'utf8' }): Pipe<string>;
  static create<T = unknown>(options: PipeOptions<T> & { codec: 'json' }): Pipe<T>;
  static create<T>(options: PipeOptions<T>): Pipe<T>;
  static create<T>(options?: PipeOptions<T>): Pipe<T> {
    const checked = endOptions<T>(options);
    const { capacity } = object(options, 'options') ?? {};
    if (capacity !== undefined) size(capacity, 'options.capacity', 1);
    const pipe = new Pipe(pipe2(O_CLOEXEC | (checked.packets ? O_DIRECT : 0)), checked);
    try {
      if (capacity !== undefined) pipe.writer.setCapacity(capacity);
    } catch (error) {
      pipe.close();
      throw error;
    }
    return pipe;
  }

  /** Whether both ends are closed. */
  get closed(): boolean {
    return this.reader.closed && this.writer.closed;
  }

  /** Closes both ends. Promises that wait reject with ECANCELED; iterations end. */
  close(): void {
    this.reader.close();
    this.writer.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
