import Apollo
import ApolloAPI

/// A campaign's five rates and a page of its messages, as they become.
public actor CampaignWatch {
  public typealias Page = ReportsAPI.CampaignPageQuery.Data.Campaign

  private let client: ReportsClient
  private let query: ReportsAPI.CampaignPageQuery
  private var cursor: String?

  public init(_ client: ReportsClient, campaign: String) {
    self.client = client
    query = ReportsAPI.CampaignPageQuery(id: campaign, first: 20, after: nil)
  }

  /// Tells of the page, and again whenever something in it has changed, until its task is cancelled.
  ///
  /// Subscriptions write what they bring into the cache, and what is shown comes out of the cache alone.
  ///
  /// - Throws: `Ending`, where another try would only repeat it.
  public func run(show: @escaping @Sendable (Page) -> Void) async throws {
    // Query, then subscribe from its cursor: nothing that happens in between is missed.
    cursor = try await fetch().updatesCursor

    let watcher = await client.apollo.watch(query: query, cachePolicy: .cacheOnly) { result in
      if let page = try? result.get().data?.campaign { show(page) }
    }
    defer { watcher.cancel() }

    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await self.followFigures() }
      group.addTask { try await self.followMessages() }
      // None of the two ends but by an error, which ends the other one.
      try await group.next()
      group.cancelAll()
    }
  }

  /// Its first event is the campaign as it is: so it needs no cursor.
  private func followFigures() async throws {
    let id = query.id
    try await follow({ ReportsAPI.FiguresLiveSubscription(id: id) }, take: { _ in })
  }

  private func followMessages() async throws {
    let id = query.id
    try await follow(
      { ReportsAPI.MessagesLiveSubscription(id: id, after: self.cursor.map { .some($0) } ?? .none) },
      take: { data in
        let update = data.messagesUpdated
        // What changed since is no longer kept, or the server's database was restored (another epoch, of which an old
        // cursor says nothing): read the page anew, then go on from this event's cursor.
        if update.resync { _ = try await self.fetch() }
        // In this order: after a crash in between, the messages come again, and replace themselves.
        self.cursor = update.cursor
      })
  }

  /// A subscription that begins anew after each loss of connection, without end, until its task is cancelled.
  ///
  /// `next` is asked each time: so its variables are those of now, above all the cursor.
  private func follow<S: GraphQLSubscription>(_ next: () -> S, take: (S.Data) async throws -> Void) async throws {
    var tries = 0
    while true {
      var ending: Ending
      do {
        try await client.showKey()
        ending = .lost(code: nil)
        // By default (writeResultsToCache) what it brings is written into the cache, and the watched query hears of that.
        for try await response in try await client.apollo.subscribe(subscription: next(), cachePolicy: .networkOnly) {
          guard let data = response.data else {
            ending = .refused(response.errors?.map(\.code) ?? [])
            break
          }
          tries = 0
          try await take(data)
        }
        if case .lost = ending { ending = client.ending() }
      } catch {
        ending = client.ending(error)
      }
      try Task.checkCancellation()
      if ending.isOver(after: tries) { throw ending }
      try await Task.sleep(for: pause(after: tries))
      tries += 1
    }
  }

  /// From the network, and into the cache; as often as it takes.
  private func fetch() async throws -> Page {
    var tries = 0
    while true {
      let ending: Ending
      do {
        let response = try await client.apollo.fetch(query: query, cachePolicy: .networkOnly)
        if let page = response.data?.campaign { return page }
        ending = .refused(response.errors?.map(\.code) ?? ["NOT_FOUND"])
      } catch {
        ending = client.ending(error)
      }
      try Task.checkCancellation()
      if ending.isOver(after: tries) { throw ending }
      try await Task.sleep(for: pause(after: tries))
      tries += 1
    }
  }
}
