import type { Socket } from 'node:net'
import { NameWait } from '../../dns/name-wait.js'
import type { Connector } from './connector.js'
import { ownBuffer, sharedBuffer } from './read-buffer.js'

/** Receives the events of a channel. `onClosed` is the last one. */
export interface ChannelListener {
  /** Called when the backend's name had to be looked up, and the connection begins only now. */
  onLookedUp(): void
  /** Called when the socket is connected, and its TLS handshake is done. */
  onConnected(): void
  /**
   * Called with the bytes of each read.
   * @param isShared true if the next read of any channel overwrites these bytes
   */
  onBytes(bytes: Buffer, isShared: boolean): void
  /** Called when the socket takes more bytes after it had not. */
  onDrain(): void
  /** Called when the backend has ended its side in an orderly way. */
  onEnded(): void
  /**
   * Called when the socket is closed, or when none could be opened.
   * @param error the reason; undefined after an orderly end
   */
  onClosed(error: NodeJS.ErrnoException | undefined): void
}

/** A way to a backend and back: the look-up of its name, a socket, and the buffers into which the socket reads. */
export class Channel {
  readonly #connector: Connector
  /** The listener; undefined once the channel was closed or handed over. */
  #listener: ChannelListener | undefined
  readonly #nameWait = new NameWait()
  #socket: Socket | undefined
  #isConnected = false
  #isPaused = false
  #error: NodeJS.ErrnoException | undefined
  /** The buffer that the next read fills. */
  #buffer: Buffer | undefined
  /** True if the last read filled its buffer, so that more bytes are likely to be there. */
  #isBufferFull = false

  constructor(connector: Connector, listener: ChannelListener) {
    this.#connector = connector
    this.#listener = listener
  }

  get socket(): Socket | undefined {
    return this.#socket
  }

  /** True while bytes can be sent. A socket that was reset is destroyed before it tells that it is closed. */
  get isConnected(): boolean {
    return this.#isConnected && this.#socket?.destroyed === false
  }

  /** True if the socket does not use TLS and nothing at all has come on it. */
  get isSilent(): boolean {
    const socket = this.#socket
    return socket?.bytesRead === 0 && !('encrypted' in socket)
  }

  /** True while the backend's name is being looked up. */
  get isLookingUp(): boolean {
    return this.#nameWait.isWaiting
  }

  /** Opens the channel. @param isForUpgrade true if the socket will be handed over */
  open(isForUpgrade: boolean): void {
    const { lookup } = this.#connector
    if (!lookup) {
      this.#connect(isForUpgrade)
      return
    }
    this.#nameWait.start(lookup, (error, hasWaited) => {
      if (error) {
        this.#listener?.onClosed(error)
        return
      }
      if (hasWaited) this.#listener?.onLookedUp()
      if (this.#listener) this.#connect(isForUpgrade)
    })
  }

  /** Stops reading until `resume` is called. */
  pause(): void {
    this.#isPaused = true
    this.#socket?.pause()
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#socket?.resume()
  }

  /** Closes the channel now. Its listener is not called any more. */
  close(): void {
    this.#listener = undefined
    this.#isConnected = false
    this.#nameWait.giveUp()
    this.#socket?.destroy()
  }

  /** Stops reading, and hands the socket over to somebody else. */
  handOver(): Socket {
    const socket = this.#socket as Socket
    this.#listener = undefined
    this.#socket = undefined
    return socket.off('data', this.#onData).pause()
  }

  #connect(isForUpgrade: boolean): void {
    const connector = this.#connector
    let socket: Socket
    try {
      socket = isForUpgrade
        ? connector.openForUpgrade().on('data', this.#onData)
        : connector.open({ buffer: this.#nextBuffer as () => Uint8Array, callback: this.#onRead })
    } catch (error) {
      this.#listener?.onClosed(error as Error)
      return
    }
    this.#socket = socket
    socket.once(connector.connectEvent, () => {
      this.#isConnected = true
      this.#listener?.onConnected()
    })
    socket.on('drain', () => this.#listener?.onDrain())
    socket.on('error', (error) => {
      this.#error ??= error
    })
    socket.once('end', () => {
      this.#isConnected = false
      // A connection that was broken off in the handshake, or by an alert of TLS, ends as if in an orderly way.
      if (this.#error || socket.destroyed) socket.destroy()
      else this.#listener?.onEnded()
    })
    socket.once('close', () => {
      this.#isConnected = false
      this.#listener?.onClosed(this.#error)
    })
  }

  readonly #onData = (bytes: Buffer): void => this.#listener?.onBytes(bytes, false)

  /** Returns the buffer for the next read; undefined for the same buffer again. */
  readonly #nextBuffer = (): Buffer | undefined => {
    const shared = sharedBuffer()
    // The bytes of a large body need not be copied if each read has its own buffer.
    if (this.#isBufferFull) this.#buffer = ownBuffer()
    else if (this.#buffer === shared && this.#isConnected) return undefined
    else this.#buffer = shared
    return this.#buffer
  }

  readonly #onRead = (length: number): boolean => {
    const buffer = this.#buffer as Buffer
    this.#isBufferFull = length === buffer.length
    this.#listener?.onBytes(buffer.subarray(0, length), buffer === sharedBuffer())
    return true
  }
}
