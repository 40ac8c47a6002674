import ApolloWebSocket
import Foundation

/// What a socket was closed with, for whoever has to decide whether to come back: Apollo does not hand it on.
final class LastWord: @unchecked Sendable {
  private let lock = NSLock()
  private var value: Int?

  var code: Int? {
    get { lock.withLock { value } }
    set { lock.withLock { value = newValue } }
  }
}

/// Opens sockets that tell their close code, and that notice when nobody is there any more.
struct WatchedSockets: WebSocketURLSession {
  let session: URLSession
  let lastWord: LastWord

  func webSocketTask(with request: URLRequest) -> any WebSocketTask {
    // URLSession has this method twice since Apollo added its own.
    let task: URLSessionWebSocketTask = session.webSocketTask(with: request)
    return WatchedSocket(task: task, lastWord: lastWord)
  }
}

/// One socket of Apollo's transport, passed through.
struct WatchedSocket: WebSocketTask {
  /// The server sends a `ping` every 20 s: who hears nothing for twice as long is talking to nobody. A phone that has
  /// changed its network is told so by nothing else.
  static let silence: Duration = .seconds(40)

  let task: URLSessionWebSocketTask
  let lastWord: LastWord

  func resume() {
    lastWord.code = nil
    task.resume()
  }

  /// Apollo iOS sends its JSON as binary frames. Our server reads both; the protocol speaks of text, and so do proxies
  /// that look into it.
  func send(_ message: URLSessionWebSocketTask.Message) async throws {
    if case .data(let data) = message {
      try await task.send(.string(String(decoding: data, as: UTF8.self)))
    } else {
      try await task.send(message)
    }
  }

  func receive() async throws -> URLSessionWebSocketTask.Message {
    let watchdog = Task { [task] in
      try await Task.sleep(for: Self.silence)
      task.cancel(with: .goingAway, reason: nil)
    }
    defer { watchdog.cancel() }
    do {
      return try await task.receive()
    } catch {
      let code = task.closeCode.rawValue
      if code > 0 { lastWord.code = code }
      throw error
    }
  }

  func cancel(with closeCode: URLSessionWebSocketTask.CloseCode, reason: Data?) {
    task.cancel(with: closeCode, reason: reason)
  }
}
